"""The interface that the contract suite needs of a transport: the fake one, and Kafka with either outbox."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from consumer.kafka.outbox import AtLeastOnceOutbox, ExactlyOnceOutbox
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings, Limits
from consumer.stream.records import Outgoing
from shared.kafka.settings import KafkaSettings
from tests.support.fakes import FakeKafka, FakeOutbox, FakeSource, Written
from tests.support.topics import produce, read_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from consumer.kafka.crash_loop import CrashLoop
    from consumer.stream.records import Outbox, Record, Source
    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.support.topics import Sent

PARTITIONS: Final = {"texts": 3, "sentiments": 2, "sentiments.dlq": 1}
MAX_BYTES: Final = 10_000
"""The output topic refuses larger records."""
DEADLINE_S: Final = 30.0
QUIET_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class Member:
    """One consumer of a group with its outbox, and the reads of a test."""

    source: Source
    outbox: Outbox
    quiet_s: float

    @property
    def crash_loop(self) -> CrashLoop:
        """The counts of a member on a real Kafka."""
        assert isinstance(self.source, KafkaSource)
        return self.source.crash_loop

    def read(self, count: int) -> list[Record]:
        """Reads until exactly `count` records are there."""
        records: list[Record] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(records) < count and time.monotonic() < deadline:
            self.source.begin(alone=True)
            records += self.source.read(count - len(records), 0.1)
        assert len(records) == count, f"{len(records)} of {count} records after {DEADLINE_S:.0f} s"
        return records

    def read_all(self, count: int) -> list[Record]:
        """Reads `count` records and any that follow."""
        return self.read(count) + self.read_while_quiet()

    def read_while_quiet(self) -> list[Record]:
        """Reads until nothing has arrived for a while."""
        records: list[Record] = []
        deadline = time.monotonic() + self.quiet_s
        while True:
            self.source.begin(alone=True)
            found = self.source.read(100, 0.1)
            records += found
            if found:
                deadline = time.monotonic() + self.quiet_s
            elif self.source.joined and time.monotonic() >= deadline:
                return records

    def leave(self) -> None:
        """Leaves the group cleanly."""
        self.outbox.close()
        self.source.close(lambda metadata: metadata)

    def publish(
        self, results: Sequence[Outgoing], letters: Sequence[Outgoing], consumed: Sequence[Record]
    ) -> None:
        """Publishes as the loop does."""
        commits = self.source.commits_after(consumed)
        self.outbox.publish(results, letters, commits)
        self.source.published(commits, consumed)


class Transport(Protocol):
    """An input topic with three partitions, an output topic with two, a dead-letter topic with one."""

    def produce(self, *records: Sent) -> None:
        """Writes to the input topic, in order."""
        ...

    def join(self, *, group: str = "group", start: str = "earliest", subscribe: bool = True) -> Member:
        """A new member; with `subscribe` off it stays outside of the group."""
        ...

    def results(self, count: int) -> list[Written]:
        """The records that a read_committed reader finds in the output topic, once there are `count` or more."""
        ...

    def letters(self, count: int, *, committed: bool = True) -> list[Written]:
        """The same for the dead-letter topic; with `committed` off also aborted records."""
        ...

    def close(self) -> None:
        """Ends all members."""
        ...


class FakeTransport:
    """Everything in memory."""

    def __init__(self) -> None:
        self._kafka = FakeKafka(dict(PARTITIONS), max_bytes=MAX_BYTES)

    def produce(self, *records: Sent) -> None:
        """Appends to the input topic."""
        for one in records:
            self._kafka.produce(
                one.value,
                partition=one.partition,
                timestamp_ms=one.timestamp_ms,
                key=one.key,
                headers=one.headers,
            )

    def join(self, *, group: str = "group", start: str = "earliest", subscribe: bool = True) -> Member:
        """A fake source and a fake outbox on it."""
        source = FakeSource(self._kafka, group=group, start=start)
        if subscribe:
            source.subscribe()
        return Member(source, FakeOutbox(self._kafka, source), 0.0)

    def results(self, count: int) -> list[Written]:
        """All of the output topic."""
        return self._all("sentiments", count)

    def letters(self, count: int, *, committed: bool = True) -> list[Written]:  # noqa: ARG002 - nothing is half done
        """All of the dead-letter topic."""
        return self._all("sentiments.dlq", count)

    def close(self) -> None:
        """Nothing to close."""

    def _all(self, topic: str, count: int) -> list[Written]:
        written = [one for log in self._kafka.partitions(topic) for one in log]
        assert len(written) >= count
        return written


class KafkaTransport:
    """A real broker, topics of its own, and one of the two outboxes."""

    def __init__(self, kafka: Broker, topic: MakeTopic, delivery: str) -> None:
        self._servers = kafka.bootstrap_servers
        self.exactly_once = delivery == "exactly-once"
        limits: dict[str, dict[str, str]] = {"sentiments": {"max.message.bytes": str(MAX_BYTES)}}
        self.topics = {
            name: topic(name, partitions=count, config=limits.get(name)) for name, count in PARTITIONS.items()
        }
        self.run = uuid4().hex[:8]
        self._open = ExitStack()

    def produce(self, *records: Sent) -> None:
        """Writes to the input topic and waits for the acknowledgements."""
        produce(self._servers, self.topics["texts"], records)

    def join(
        self,
        *,
        group: str = "group",
        start: str = "earliest",
        subscribe: bool = True,
        instance_id: str | None = None,
        properties: Mapping[str, int] | None = None,
        **changes: Any,
    ) -> Member:
        """A source and an outbox as `serve` wires them, with an instance_id of its own unless one is given.

        `changes` are settings.
        """
        settings = self._settings(group, start, instance_id or uuid4().hex[:8], properties or {})
        if changes.get("group_protocol") == "consumer":  # the broker decides it in this protocol
            del settings.kafka.properties["heartbeat.interval.ms"]
        settings = settings.model_copy(update=changes)
        source = KafkaSource(settings)
        counts = {self.topics[name]: count for name, count in PARTITIONS.items()}
        sender = Sender(settings, counts, transactional=self.exactly_once)
        outbox: Outbox = (
            ExactlyOnceOutbox(sender, source.group_metadata)
            if self.exactly_once
            else AtLeastOnceOutbox(sender, source.commit)
        )
        if subscribe:
            source.subscribe()
        member = Member(source, outbox, QUIET_S)
        self._open.callback(member.leave)
        return member

    def results(self, count: int) -> list[Written]:
        """Reads the output topic to its end."""
        return self._read("sentiments", count, committed=True)

    def letters(self, count: int, *, committed: bool = True) -> list[Written]:
        """Reads the dead-letter topic to its end."""
        return self._read("sentiments.dlq", count, committed=committed)

    def close(self) -> None:
        """Lets every member leave; a member that has already left ignores this."""
        self._open.close()

    def _settings(self, group: str, start: str, instance_id: str, extra: Mapping[str, int]) -> ConsumerSettings:
        # Rebalances begin soon, and an empty partition does not delay the next one for half a second.
        hasty: dict[str, str | int | float | bool] = {
            "heartbeat.interval.ms": 500,
            "fetch.wait.max.ms": 50,
            **extra,
        }
        return ConsumerSettings.model_validate(
            {
                "kafka": KafkaSettings(bootstrap_servers=self._servers, properties=hasty, insecure=True),
                "group_id": f"{group}-{self.run}",
                "input_topics": [self.topics["texts"]],
                "output_topic": self.topics["sentiments"],
                "dlq_topic": self.topics["sentiments.dlq"],
                "delivery": "exactly-once" if self.exactly_once else "at-least-once",
                "instance_id": instance_id,
                "auto_offset_reset": start,
                "limits": Limits(commit_timeout_s=15),
            }
        )

    def _read(self, name: str, count: int, *, committed: bool) -> list[Written]:
        """Reads to the end until there are `count` records: a commit becomes visible soon after it returned."""
        isolation = "read_committed" if committed else "read_uncommitted"
        deadline = time.monotonic() + DEADLINE_S
        while True:
            messages = read_all(self._servers, self.topics[name], isolation=isolation)
            if len(messages) >= count:
                return [_written(message) for message in messages]
            assert time.monotonic() < deadline, f"{len(messages)} of {count} records after {DEADLINE_S:.0f} s"


def placed(written: Sequence[Written], partition: int) -> list[Written]:
    """The records of one partition, in order."""
    return [one for one in written if one.partition == partition]


def answers(records: Sequence[Record], mark: bytes = b"answer to ") -> list[Outgoing]:
    """One result for each record, with a header and the record's own timestamp."""
    return [
        Outgoing(one, mark + (one.value or b""), (*one.headers, ("schema", b"1")), one.timestamp_ms or 0)
        for one in records
    ]


def _written(message: Message) -> Written:
    partition = message.partition()
    assert partition is not None
    headers: Any = message.headers() or ()
    return Written(partition, message.timestamp()[1], message.key(), message.value(), tuple(headers))
