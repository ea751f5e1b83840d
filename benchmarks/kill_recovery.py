"""How long the partitions of a killed process wait: from `kill -9` of one of two members to their next result.

    python -m benchmarks.kill_recovery --rounds 1

Each contender has two members and a text every PAUSE_S in each partition. After a kill the survivor takes over the
partitions of the killed one; then a process is started again. The broker is a Java process of its own for each
setting of it, since in the protocol `consumer` it decides.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from benchmarks.measure import arguments, chosen, spread, write
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


CONTENDERS: Final = {
    "classic, session of 45 s (librdkafka)": Contender("classic", {"session.timeout.ms": 45_000}),
    "classic, default": Contender("classic"),
    "consumer, the broker's default of 45 s": Contender("consumer", broker=BROKERS_DEFAULT),
    "consumer, group.consumer.session.timeout.ms=6000": Contender("consumer"),
}


def main() -> None:
    """Runs each contender with `--rounds` kills and writes the seconds."""
    options = arguments(__doc__).parse_args()
    figures: dict[str, Any] = {}
    for name, contender in chosen(CONTENDERS, options.only).items():
        with (
            local_kafka(settings=contender.broker) as broker,
            tempfile.TemporaryDirectory() as folder,
            Group(broker, contender, Path(folder)) as group,
        ):
            seconds = [group.kill_and_wait() for _ in range(options.rounds)]
        print(f"  {name}: {', '.join(f'{one:.1f}' for one in seconds)} s", flush=True)
        figures[name] = {"seconds": spread(seconds), "kills": len(seconds)}
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
        self._started = 0
        self._members: list[ConsumerProcess] = []
        self._closing = ExitStack()
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
        self._start()
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends both."""
        self._closing.close()
        self._reader.close()

    def kill_and_wait(self) -> float:
        """Seconds from the kill of the older member until every partition had a result of a later text."""
        self._await_all(time.monotonic())
        self._members.pop(0).kill()
        seconds = self._await_all(time.monotonic())
        self._start()
        return seconds

    def _start(self) -> None:
        log = self._folder / f"{self._started}.log"
        member = ConsumerProcess(log, "--instance-id", str(self._started), env=self._environment)
        self._closing.callback(member.close)
        self._members.append(member)
        self._started += 1
        member.await_log(f'"owned": {PARTITIONS if self._started == 1 else PARTITIONS // 2}')

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
