"""Reads offset ranges of topics, without a group and without commits.

It reads committed records only (read_committed). An open transaction hides all records after it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from uuid import uuid4

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from shared.errors import KafkaUnreachable
from shared.kafka.admin import REQUEST_S, cluster_metadata, require_topics
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.message import is_about_the_group, is_partition_end
from shared.kafka.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from confluent_kafka.admin import ConfigEntry

    from shared.kafka.settings import KafkaSettings

SILENT_S: Final = 90.0
"""After this time without a record the broker counts as lost; an open transaction times out after 60 s."""
_FIRST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_NEXT: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_FETCH_RECORDS: Final = 500
_FETCH_S: Final = 0.2


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class SpanRead(NamedTuple):
    """Says that all records of a partition before the offset `end` have been read."""

    partition: Partition
    end: int


def without_group(name: str, ahead_kib: int) -> dict[str, str | int | float | bool]:
    """The configuration of a consumer that joins no group and reads committed records only."""
    return {
        "client.id": name,
        "group.id": f"{name}-{uuid4().hex}",  # required by the client; never joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        # A start that retention deletes before it is read moves to the first record that is left.
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": ahead_kib,  # librdkafka's default prefetches 64 MiB
        "fetch.message.max.bytes": min(2**20, ahead_kib * 1024),
    }


class TopicReader:
    """A client without a group; used by one thread and closed after use."""

    def __init__(
        self, kafka: KafkaSettings, name: str, *, ahead_kib: int = 16_384, fetch_wait_ms: int = 500
    ) -> None:
        """`name` is the client id, `ahead_kib` what is fetched before it is asked for.

        `fetch_wait_ms` is how long a broker holds a fetch that finds nothing. Another partition of that broker is
        fetched only afterwards, so reads that are short and many need less than the client's default.

        Raises SettingsError for a configuration that librdkafka refuses.
        """
        self._servers = kafka.bootstrap_servers
        self._topics: list[str] = []
        """The requested topics, for error messages."""
        self._errors = ClientErrors()
        ours = without_group(name, ahead_kib) | {"fetch.wait.max.ms": fetch_wait_ms}
        try:
            self._admin = AdminClient(client_config(kafka, self._errors, {"client.id": name}))
            self._consumer = Consumer(client_config(kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Returns the reader, which connects at its first request."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._consumer.close()

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Counts the partitions of topics; raises KafkaStateError for one that does not exist.

        It requests each by name: a list of all topics does not contain those that the user may not read.
        """
        counts: dict[str, int] = {}
        self._topics = list(topics)
        for topic in self._topics:
            # Not by the admin client: its request for a missing topic may create it.
            metadata = cluster_metadata(self._consumer, self._errors, self._servers, topic)
            counts |= require_topics(metadata, [topic])
        return counts

    def matching(self, topics: Iterable[str]) -> list[str]:
        """Topic names, with each `^pattern` replaced by the existing topics that match it, possibly none."""
        existing = sorted(cluster_metadata(self._admin, self._errors, self._servers).topics)
        found = [
            [name for name in existing if matches(topic, name)] if topic.startswith("^") else [topic]
            for topic in topics
        ]
        return list(dict.fromkeys(chain.from_iterable(found)))

    def config_of(self, topic: str) -> dict[str, str]:
        """A topic's configuration; empty if the broker does not return it, which needs DESCRIBE_CONFIGS."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        (future,) = self._admin.describe_configs([resource], request_timeout=REQUEST_S).values()
        try:
            entries: dict[str, ConfigEntry] = future.result(timeout=REQUEST_S + 5)
        except (KafkaException, FutureTimeout):
            return {}
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def spans(self, partitions: Iterable[Partition], *, undecided: bool = False) -> dict[Partition, range]:
        """The offset range of each partition now; raises an explained error.

        A range ends at the first open transaction, or with `undecided` at the high watermark: reading up to there
        waits until the transactions that are open now have ended.
        """
        isolation = IsolationLevel.READ_UNCOMMITTED if undecided else IsolationLevel.READ_COMMITTED
        asked = list(partitions)
        with self._explained():
            starts = self._offsets(asked, _FIRST, isolation)
            ends = self._offsets(asked, _NEXT, isolation)
        return {partition: range(starts[partition], ends[partition]) for partition in asked}

    def topic_id(self, topic: str, within_s: float = REQUEST_S) -> str:
        """The topic id, which differs from that of a deleted topic of the same name; raises an explained error."""
        with self._explained():
            asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=within_s)
            return str(asked[topic].result().topic_id)

    def offsets_at(self, spans: Mapping[Partition, range], moment_ms: int) -> dict[Partition, int]:
        """The offset of each partition's first record at or after `moment_ms`, or the end of its span."""
        with self._explained():
            at = OffsetSpec.for_timestamp(moment_ms)
            found = self._offsets(spans, at, IsolationLevel.READ_COMMITTED)
        # A negative offset: no record is that late.
        return {one: offset if offset >= 0 else spans[one].stop for one, offset in found.items()}

    def messages(self, spans: Mapping[Partition, range]) -> Iterator[Message]:
        """Reads the records of all spans, in order within each; see `read`."""
        return (one for one in self.read(spans) if not isinstance(one, SpanRead))

    def read(self, spans: Mapping[Partition, range], *, waits: bool = True) -> Iterator[Message | SpanRead]:
        """Yields the records of all spans, in order within each, and a SpanRead after the last record of a span.

        If a span continues after an open transaction, it waits for the end of that; without `waits`, the span ends
        before it. Raises an explained error: KafkaUnreachable if nothing arrives for SILENT_S.
        """
        ends = {partition: span.stop for partition, span in spans.items() if span}
        with self._explained():
            self._consumer.assign([TopicPartition(*partition, spans[partition].start) for partition in ends])
            heard = time.monotonic()
            while ends:
                first = self._consumer.poll(_FETCH_S)
                # `consume` waits for its whole timeout unless it is full: 0 returns what is fetched already.
                messages = [] if first is None else [first, *self._consumer.consume(_FETCH_RECORDS, 0)]
                for message in messages:
                    # librdkafka asks for the group's coordinator although nothing joins.
                    if is_about_the_group(message):
                        continue
                    # A message may be of a partition that was unassigned after it had been fetched.
                    partition, offset = _where(message)
                    is_end = is_partition_end(message)
                    if partition in ends and not is_end and offset < ends[partition]:
                        yield message
                    # Transaction markers take offsets too, so the last offset may not have a record.
                    reached = offset if is_end else offset + 1
                    if partition in ends and (reached >= ends[partition] or (is_end and not waits)):
                        self._consumer.incremental_unassign([TopicPartition(*partition)])
                        yield SpanRead(partition, min(reached, ends.pop(partition)))
                # After the yields: the time that the caller takes for the messages is not the broker's silence.
                if messages:
                    # An error that has passed must not explain a later silence, as that of an open transaction.
                    heard, self._errors.last = time.monotonic(), None
                elif time.monotonic() - heard > SILENT_S:
                    raise self._silence(ends)

    def first(self, partitions: Iterable[Partition], within_s: float) -> Message | None:
        """The first record to arrive from any of the partitions; None if none arrives in time.

        Errors count as nothing: who asks has checked the rights before.
        """
        self._consumer.assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in partitions])
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(left_s)
            if message is not None and message.error() is None:
                return message
        return None

    def record_from(self, partition: Partition, offset: int, within_s: float) -> Message | None:
        """The first record at or after an offset; None where a reader gets none before the end.

        Raises TimeoutError, also where the leader answers with an error.
        """
        self._consumer.assign([TopicPartition(*partition, offset)])
        deadline = time.monotonic() + within_s
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                message = self._consumer.poll(left_s)
                if message is None or is_about_the_group(message):
                    continue
                try:
                    is_end = is_partition_end(message)
                except KafkaException:
                    continue
                if _where(message)[0] == partition:
                    return None if is_end else message
        finally:
            self._consumer.unassign()
        raise TimeoutError(f"no answer for {partition.topic}-{partition.number} within {within_s:g} s")

    def _offsets(
        self, partitions: Iterable[Partition], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[Partition, int]:
        asked = {TopicPartition(*partition): spec for partition in partitions}
        futures = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=REQUEST_S)
        return {
            Partition(place.topic, place.partition): future.result().offset for place, future in futures.items()
        }

    def _silence(self, silent: Iterable[Partition]) -> Exception:
        if self._errors.last is not None:
            return explain(self._errors.last, self._servers)
        numbers: defaultdict[str, list[str]] = defaultdict(list)
        for topic, number in silent:
            numbers[topic].append(str(number))
        named = "; ".join(f"{topic}: partitions {', '.join(some)}" for topic, some in numbers.items())
        return KafkaUnreachable(
            f"nothing came for {SILENT_S:.0f} s though there is more ({named}); perhaps a transaction is open "
            "there (kafka-transactions.sh find-hanging)"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            rights = {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {', '.join(self._topics)}"}
            raise explain(self._errors.cause(error.args[0]), self._servers, rights) from None


def _where(message: Message) -> tuple[Partition, int]:
    partition, offset = message.partition(), message.offset()
    return Partition(
        message.topic() or "", -1 if partition is None else partition
    ), -1 if offset is None else offset
