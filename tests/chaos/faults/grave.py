"""Faults that run alone: no other fault strikes while one lasts, and the run waits for the expected reaction."""

from __future__ import annotations

import re
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.chaos.brokers.frames import PRODUCE
from tests.chaos.faults.failpoints import spec_of
from tests.chaos.faults.members import STATE_REFUSED
from tests.chaos.faults.operators import Move
from tests.chaos.stage import STOP_S
from tests.chaos.verdict.inputs import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chaos.faults.members import Exit, Member
    from tests.chaos.faults.plan import Chaos

LOOK_S: Final = 0.1
WORK: Final = 600
"""Messages that are sent so that there is work in every partition."""
MOVES_S: Final = 20.0
"""Time limit within which every partition with work advances: at most a rebalance comes in between."""
BLOCKED_S: Final = 1.5
"""How long a log is blocked before its process is checked: a small pipe is full by then."""

FEED_S: Final = 1.0
"""Seconds between two feeds of a member that is to publish."""
PUBLISH_S: Final = 40.0
"""Time limit within which a member that has just started publishes: two rebalances come in between."""

EXHAUSTED: Final = 75
OUTAGE_ENDS: Final = 10
"""Exits with 75, over all members, that an outage lasts for: enough to condemn a text if they were counted."""
OUTAGE_S: Final = 60.0
OUTAGE_LIMITS: Final = {"MAX_RECOVERIES": "0", "COMMIT_TIMEOUT_S": "2", "MAX_CRASHES": "2"}

MEMORY_MB: Final = 200
"""A member takes about 70."""
MAX_CRASHES: Final = 3
LOOP_S: Final = 120.0
"""Time limit within which a crash loop is broken: each run waits until the group drops the run before."""


class GraveFaults:
    """Each kind of fault reports to the stage which expected reactions are missing."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._stage = chaos.stage
        self._times = 0

    def block_stderr(self) -> None:
        """A member's log is not read, has no reader or is on a full disk: it works on, and stops in time."""
        member = self._chaos.member()
        mode = ("pipe full", "reader gone", "disk full")[self._times % 3]
        self._times += 1
        with self._chaos.undisturbed():
            before = len(self._stage.exits)
            self._stage.note("stderr blocked", f"{member.name} {mode}")
            if mode == "disk full":
                member.terminate(CHAOS_DISK_FULL="1")
                self._await(lambda: len(self._ends_of(member, before)) > 0, STOP_S)
                before = len(self._stage.exits)
            elif mode == "pipe full":
                member.fill_stderr()
            else:
                member.close_stderr()
            self._feed()
            time.sleep(BLOCKED_S)
            self._feed()
            late = self._stage.monitor.await_moves(self._stage.monitor.waiting(), MOVES_S)
            if late:
                self._complain(f"{member.name}, {mode}: {late} did not move within {MOVES_S:.0f} s")
            if ends := self._ends_of(member, before):
                self._complain(f"{member.name}, {mode}: ended with {ends[0].code} by itself")
            elif member.stop_by(STOP_S) is None:
                self._complain(f"{member.name}, {mode}: did not stop within {STOP_S:.0f} s of SIGTERM")

    def crash_in_publish(self) -> None:
        """A member dies between its writes and their commit; fed until it has. Other kills hit that by luck."""
        member = self._chaos.member()
        with self._chaos.undisturbed():
            self._stage.note("crash in a publish", member.name)
            before = len(self._stage.exits)
            member.terminate(CHAOS_FAILPOINT=spec_of("after_flush", 1))
            deadline = time.monotonic() + PUBLISH_S
            while not any(one.code == -signal.SIGKILL for one in self._ends_of(member, before)):
                if time.monotonic() > deadline:
                    self._complain(f"{member.name} did not publish within {PUBLISH_S:.0f} s")
                    return
                self._stage.feed_more(PARTITIONS)
                time.sleep(FEED_S)

    def outage(self) -> None:
        """Writes are not acknowledged for longer than recoveries allow: every exit has code 75."""
        proxy = self._stage.cluster.proxy
        with self._chaos.undisturbed(), self._settings(OUTAGE_LIMITS):
            self._stage.note("outage", f"until {OUTAGE_ENDS} ends with {EXHAUSTED}")
            before = len(self._stage.exits)
            for node in self._stage.cluster.nodes:
                proxy.slow(node, OUTAGE_S, {PRODUCE})
            self._feed()
            done = self._await(lambda: self._count(EXHAUSTED, before) >= OUTAGE_ENDS, OUTAGE_S)
            proxy.clear()
            if not done:
                self._complain(
                    f"an outage of {OUTAGE_S:.0f} s: {self._count(EXHAUSTED, before)} ends with {EXHAUSTED}"
                )
            self._await_all_moved("an outage")

    def bomb(self) -> None:
        """A record that no member can unpack: the loop ends with 76, and the named command moves past it."""
        partition = self._chaos.random.randrange(PARTITIONS)
        place = (self._stage.inputs.main, partition)
        limits = {"CHAOS_MEMORY_MB": str(MEMORY_MB), "MAX_CRASHES": str(MAX_CRASHES)}
        with self._chaos.undisturbed(), self._settings(limits):
            self._stage.note("decompression bomb", f"partition {partition}")
            self._stage.expect(STATE_REFUSED, for_s=LOOP_S + MOVES_S)
            self._stage.expect_crashes(LOOP_S)
            before, moves = len(self._stage.exits), len(self._stage.operator.moves)
            offset = self._stage.inputs.send_bomb(partition)
            self._feed()
            ended = self._await(lambda: self._count(STATE_REFUSED, before) > 0, LOOP_S)
            past = Move(f"{place[0]}:{partition}", ("--to-offset", str(offset + 1)))
            if not ended:
                deaths = self._count(-9, before)
                self._complain(f"a bomb at {place} {offset}: no end with {STATE_REFUSED} after {deaths} deaths")
                self._stage.operator.move([past])
            else:
                self._await(lambda: not self._stage.operator.busy, LOOP_S)
                named = self._stage.operator.moves[moves:]
                if named != [past]:
                    self._complain(f"a bomb at {place} {offset}: {named} and not the command that moves past it")
            self._await_all_moved("a bomb")

    def culprit(self) -> None:
        """A text that kills every process that scores it, by SIGKILL or abort(): only it becomes a letter."""
        self._times += 1
        death = ("SIGKILL", "SIGABRT")[self._times % 2]
        partition = self._chaos.random.randrange(PARTITIONS)
        with self._chaos.undisturbed(), self._settings({"CHAOS_DEATH": death, "MAX_CRASHES": "2"}):
            self._stage.note("text that kills", f"partition {partition} {death}")
            self._stage.expect(-6, for_s=LOOP_S)
            self._stage.expect_crashes(LOOP_S)
            self._stage.inputs.send_culprit(partition)
            self._feed()
            self._await_all_moved("a text that kills", LOOP_S)

    def _feed(self) -> None:
        self._stage.feed_more(WORK)

    def _await_all_moved(self, what: str, within_s: float = LOOP_S / 2) -> None:
        """Waits until all that was sent so far is committed."""
        ends = {place: end - 1 for place, end in self._stage.inputs.ends().items() if end}
        late = self._stage.monitor.await_moves(ends, within_s)
        if late:
            self._complain(f"{what}: {late} not worked off after {within_s:.0f} s")

    @contextmanager
    def _settings(self, changes: dict[str, str]) -> Iterator[None]:
        """Restarts all members with other settings, and afterwards with their own again."""
        names = {
            name if name.startswith("CHAOS_") else f"SENTIMENT_LIMITS__{name}": value
            for name, value in changes.items()
        }
        before = {name: dict(member.env) for name, member in self._stage.members.items()}
        self._restart(lambda member: member.env.update(names))
        try:
            yield
        finally:

            def restore(member: Member) -> None:
                member.env = before[member.name]

            self._restart(restore)

    def _restart(self, change: Callable[[Member], object]) -> None:
        for member in self._stage.members.values():
            change(member)
            member.terminate()

    def _await(self, condition: Callable[[], bool], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not condition() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return condition()

    def _ends_of(self, member: Member, since: int) -> list[Exit]:
        return [one for one in list(self._stage.exits)[since:] if one.member == member.name]

    def _count(self, code: int, since: int) -> int:
        return sum(one.code == code for one in list(self._stage.exits)[since:])

    def _complain(self, what: str) -> None:
        self._stage.complaints.append(re.sub(r"\s+", " ", what))
