"""How long the partitions of a process that ended wait: from the end of one of two members to their next result.

    python -m benchmarks.kafka.kill_recovery --rounds 1

Each contender has two members and a text every PAUSE_S in each partition. The ends are a kill after which the
survivor takes over (`lost`); a kill after which the same process is started again at once and again whenever it
ends, as an orchestrator does (`restarted`); and an orderly stop of which the survivor takes over (`stopped`). The
broker is a Java process of its own for each setting of it, since in the protocol `consumer` it decides.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from benchmarks.common.measure import arguments, chosen, spread, write
from sentiment_testing.kafka import MakeTopic, local_kafka
from sentiment_testing.model import make_model
from sentiment_testing.process import ConsumerProcess
from sentiment_testing.records import Result, TopicReader, TopicWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentiment_testing.kafka import Broker

PARTITIONS: Final = 4
PAUSE_S: Final = 0.2
LONGEST_S: Final = 90.0
BROKERS_DEFAULT: Final = {
    "group.consumer.session.timeout.ms": "45000",
    "group.consumer.heartbeat.interval.ms": "5000",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """Settings of the members, and of the broker."""

    protocol: str
    properties: Mapping[str, int] = field(default_factory=dict)
    broker: Mapping[str, str] = field(default_factory=dict)
    is_static: bool = False
    """Whether the members have a `group.instance.id`, which the consumer's settings refuse."""


CONTENDERS: Final = {
    "classic, session of 45 s (librdkafka)": Contender("classic", {"session.timeout.ms": 45_000}),
    "classic, default": Contender("classic"),
    "consumer, the broker's default of 45 s": Contender("consumer", broker=BROKERS_DEFAULT),
    "consumer, group.consumer.session.timeout.ms=6000": Contender("consumer"),
    "classic, static members": Contender("classic", is_static=True),
    "consumer, 6000, static members": Contender("consumer", is_static=True),
}
ENDS: Final = ("lost", "restarted", "stopped")


def main() -> None:
    """Runs each contender with `--rounds` kills and writes the seconds."""
    parser = arguments(__doc__)
    parser.add_argument("--ends", nargs="+", choices=ENDS, default=ENDS, help="which ends of a member")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for name, contender in chosen(CONTENDERS, options.only).items():
        with (
            local_kafka(settings=contender.broker) as broker,
            tempfile.TemporaryDirectory() as folder,
            Group(broker, contender, Path(folder)) as group,
        ):
            figures[name] = {"rounds": options.rounds}
            for end in options.ends:
                seconds = [group.end_and_wait(end) for _ in range(options.rounds)]
                print(f"  {name}, {end}: {', '.join(f'{one:.1f}' for one in seconds)} s", flush=True)
                figures[name][end] = spread(seconds)
    write("kill_recovery", figures, options)


class Group:
    """Two members of one group, and a load on all their partitions."""

    def __init__(self, broker: Broker, contender: Contender, folder: Path) -> None:
        make = MakeTopic(broker)
        names = ("texts", "sentiments", "letters")
        texts, results, letters = (make(name, partitions=PARTITIONS) for name in names)
        self._folder = folder
        self._writer = TopicWriter(broker, texts)
        self._reader = TopicReader(broker, results)
        self._members: dict[str, ConsumerProcess] = {}
        """By instance id, the oldest first."""
        self._logs = count()
        self._closing = ExitStack()
        self._command = (
            (sys.executable, "-m", "benchmarks.kafka.static_member", "run") if contender.is_static else None
        )
        self._environment = {
            "SENTIMENT_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "SENTIMENT_KAFKA__PROPERTIES": json.dumps(contender.properties),
            "SENTIMENT_GROUP_PROTOCOL": contender.protocol,
            "SENTIMENT_GROUP_ID": f"group-{uuid4()}",
            "SENTIMENT_INPUT_TOPICS": texts,
            "SENTIMENT_OUTPUT_TOPIC": results,
            "SENTIMENT_DLQ_TOPIC": letters,
            "SENTIMENT_MODEL": str(make_model(folder / "model")),
            "SENTIMENT_LOG_FORMAT": "json",
        }

    def __enter__(self) -> Self:
        """Starts both."""
        self._start("0")
        self._members["0"].await_log(f'"owned": {PARTITIONS}')
        self._start("1")
        self._members["1"].await_log(f'"owned": {PARTITIONS // 2}')
        return self

    def __exit__(self, *_: object) -> None:
        """Ends both."""
        self._closing.close()
        self._reader.close()

    def end_and_wait(self, end: str) -> float:
        """Seconds from the end of the older member until every partition had a result of a later text.

        Both members run again when it returns.
        """
        self._await_all(time.monotonic())
        name, member = next(iter(self._members.items()))
        began = time.monotonic()
        member.terminate() if end == "stopped" else member.kill()
        del self._members[name]
        if end == "restarted":
            self._start(name)
        seconds = self._await_all(began)
        if end != "restarted":
            self._start(name)
        while f'"owned": {PARTITIONS // 2}' not in self._members[name].log:
            self._start_what_ended()
            time.sleep(PAUSE_S)
        return seconds

    def _start(self, name: str) -> None:
        log = self._folder / f"{next(self._logs)}.log"
        member = ConsumerProcess(log, "--instance-id", name, env=self._environment, command=self._command)
        self._closing.callback(member.close)
        self._members[name] = member

    def _start_what_ended(self) -> None:
        for name in [name for name, member in self._members.items() if member.exit_code is not None]:
            self._start(name)

    def _await_all(self, began: float) -> float:
        """Sends texts until those sent after `began` have a result in each partition."""
        seen: set[int] = set()
        sent: set[str] = set()
        read = len(self._reader.messages)
        while len(seen) < PARTITIONS:
            if time.monotonic() - began > LONGEST_S:
                raise TimeoutError(
                    f"no result of partitions {set(range(PARTITIONS)) - seen} for {LONGEST_S:.0f} s"
                )
            sent |= set(self._writer.send([_text() for _ in range(2 * PARTITIONS)]))
            time.sleep(PAUSE_S)
            self._start_what_ended()
            self._reader.poll()
            for message in self._reader.messages[read:]:
                result = Result.of(message)
                if result.id in sent:
                    seen.add(result.value["source"]["partition"])
            read = len(self._reader.messages)
        return time.monotonic() - began


def _text() -> tuple[str, bytes]:
    identity = uuid4().hex
    return identity, json.dumps({"id": identity, "text": "a good day"}).encode()


if __name__ == "__main__":
    main()
