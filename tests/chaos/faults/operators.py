"""The operator's reaction to an exit with 76: runs the command that the last line of the process names.

Kafka moves a group only while it has no members, so the whole group is stopped for it. The command uses Kafka's
own tools, as a person would run it.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sentiment_testing.kafka.jars import find_class_path, find_java, java_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.chaos.faults.members import Member

TOOL: Final = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
STOP_S: Final = 12.0
TOOL_S: Final = 60.0
EMPTY_S: Final = 45.0
"""How long a group may take to lose its last member, including one that was killed."""
POLL_S: Final = 0.1
_TARGET: Final = re.compile(r"--to-offset[ =]\d+|--shift-by[ =]\d+|--to-earliest|--to-latest")
_TOPIC: Final = re.compile(r"--topic[ =]([\w.-]+(?::\d+)?)")


@dataclass(frozen=True, slots=True)
class Move:
    """Where to move a group: the arguments for Kafka's tool."""

    topic: str
    """A topic, with `:partition` if only one partition is meant."""
    target: tuple[str, ...]

    @property
    def is_back(self) -> bool:
        """Whether a topic is read again from its start."""
        return self.target == ("--to-earliest",)


def move_of(line: str) -> Move | None:
    """Parses the command that an error names; of several targets the last, which skips the blocking record."""
    targets, topic = _TARGET.findall(line), _TOPIC.search(line)
    return Move(topic[1], tuple(re.split("[ =]", targets[-1]))) if targets and topic else None


class Operator:
    """A thread that acts whenever a member has been refused; `acting` keeps others from adding members."""

    def __init__(
        self,
        servers: str,
        group: str,
        members: Callable[[], Iterable[Member]],
        moved: Callable[[Move], None],
        complain: Callable[[str], None],
    ) -> None:
        self.acting = threading.RLock()
        self.moves: list[Move] = []
        """The moves made so far."""
        self._servers = servers
        self._group = group
        self._members = members
        self._moved = moved
        self._complain = complain
        self._refused: set[str] = set()
        self._called = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="operator", daemon=True)
        self._thread.start()

    def call(self, line: str) -> None:
        """Reports that a member has ended with 76 and this line; returns at once."""
        self._refused.add(line)
        self._called.set()

    @property
    def busy(self) -> bool:
        """Whether a member waits for the operator."""
        return self._called.is_set()

    def move(self, moves: Iterable[Move]) -> None:
        """Stops the group, moves it and restarts it."""
        with self.acting:
            members = list(self._members())
            for member in members:
                member.hold()
            stops = [threading.Thread(target=member.stop_by, args=(STOP_S,)) for member in members]
            for stop in stops:
                stop.start()
            for stop in stops:
                stop.join()
            for move in moves:
                self._run(move)
            for member in members:
                member.release()

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True
        self._called.set()
        self._thread.join()

    def _work(self) -> None:
        while self._called.wait() and not self._closed:
            with self.acting:
                lines, self._refused = self._refused, set()
                moves = {move for move in map(move_of, lines) if move is not None}
                for line in lines:
                    if move_of(line) is None:
                        self._complain(f"76 without a command: {line[:200]!r}")
                self.move(moves)
                if not self._refused:
                    self._called.clear()

    def _run(self, move: Move) -> None:
        command = [find_java(), *java_options(find_class_path()), TOOL, "--bootstrap-server", self._servers]
        command += ["--group", self._group, "--reset-offsets", "--topic", move.topic, *move.target, "--execute"]
        deadline = time.monotonic() + EMPTY_S
        while True:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S, check=False)
            refusal = re.search(r"Error.*|.*inactive.*|.*Exception.*", done.stdout + done.stderr)
            if not refusal:
                self.moves.append(move)
                self._moved(move)
                return
            if time.monotonic() > deadline:
                self._complain(f"{' '.join(command[-6:])}: {refusal[0][:200]}")
                return
            time.sleep(POLL_S)
