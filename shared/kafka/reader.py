"""Reads topics between offsets: no group, no commits, and it ends where it was told to.

Only decided records are read (read_committed). A transaction that is still open hides what stands behind it.
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
"""Without a record for this long the broker is taken for gone; an open transaction times out after 60 s."""
_FIRST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_NEXT: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_FETCH_RECORDS: Final = 500
_FETCH_S: Final = 0.2


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class SpanRead(NamedTuple):
    """All records of a partition's span, whose end is not included, were given."""

    partition: Partition
    end: int


class TopicReader:
    """A client that belongs to no group; used by one thread, and closed after use."""

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        """Names itself to the brokers; raises SettingsError for a configuration that librdkafka refuses."""
        self._servers = kafka.bootstrap_servers
        self._topics: list[str] = []
        """Those that were asked for, for errors."""
        self._errors = ClientErrors()
        ours: dict[str, str | int | float | bool] = {
            "client.id": name,
            "group.id": f"{name}-{uuid4().hex}",  # the client demands one; it is never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 16_384,
        }
        try:
            self._admin = AdminClient(client_config(kafka, self._errors, {"client.id": name}))
            self._consumer = Consumer(client_config(kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Connects at the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._consumer.close()

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Counts the partitions of topics; raises KafkaStateError for one that does not exist.

        Each is asked for by name: among all topics one that the user may not read would not be told of.
        """
        counts: dict[str, int] = {}
        self._topics = list(topics)
        for topic in self._topics:
            metadata = cluster_metadata(self._consumer, self._errors, self._servers, topic)
            counts |= require_topics(metadata, [topic])
        return counts

    def matching(self, topics: Iterable[str]) -> list[str]:
        """Names, each ^pattern replaced by those of all topics that match it, perhaps none."""
        there = sorted(cluster_metadata(self._admin, self._errors, self._servers).topics)
        meant = [
            [name for name in there if matches(topic, name)] if topic.startswith("^") else [topic]
            for topic in topics
        ]
        return list(dict.fromkeys(chain.from_iterable(meant)))

    def config_of(self, topic: str) -> dict[str, str]:
        """A topic's settings; none where the broker does not give them: asking needs a right of its own."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        (future,) = self._admin.describe_configs([resource], request_timeout=REQUEST_S).values()
        try:
            entries: dict[str, ConfigEntry] = future.result(timeout=REQUEST_S + 5)
        except (KafkaException, FutureTimeout):
            return {}
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    def spans(self, partitions: Iterable[Partition], *, undecided: bool = False) -> dict[Partition, range]:
        """All offsets that the partitions hold now; raises an explained error.

        They end at the first open transaction, or with `undecided` at the end of all records: reading up to
        there waits until the transactions that are open now have ended.
        """
        isolation = IsolationLevel.READ_UNCOMMITTED if undecided else IsolationLevel.READ_COMMITTED
        asked = list(partitions)
        with self._explained():
            starts = self._offsets(asked, _FIRST, isolation)
            ends = self._offsets(asked, _NEXT, isolation)
        return {partition: range(starts[partition], ends[partition]) for partition in asked}

    def topic_id(self, topic: str) -> str:
        """What tells a topic from an earlier one of the same name; raises an explained error."""
        with self._explained():
            asked = self._admin.describe_topics(TopicCollection([topic]), request_timeout=REQUEST_S)
            return str(asked[topic].result().topic_id)

    def offsets_at(self, spans: Mapping[Partition, range], moment_ms: int) -> dict[Partition, int]:
        """Of each partition, the offset of the first record of that time or later, or the end of its span."""
        with self._explained():
            at = OffsetSpec.for_timestamp(moment_ms)
            found = self._offsets(spans, at, IsolationLevel.READ_COMMITTED)
        # No record that late: the answer is negative.
        return {one: offset if offset >= 0 else spans[one].stop for one, offset in found.items()}

    def messages(self, spans: Mapping[Partition, range]) -> Iterator[Message]:
        """Reads the records of all spans, in order within each; see `read`."""
        return (one for one in self.read(spans) if not isinstance(one, SpanRead))

    def read(self, spans: Mapping[Partition, range], *, waits: bool = True) -> Iterator[Message | SpanRead]:
        """Reads the records of all spans, in order within each, and says of each span when it was read.

        Where a span goes on behind an open transaction, it waits for that to end; with `waits` off, the span ends
        before it. Raises an explained error: KafkaUnreachable where nothing comes for SILENT_S.
        """
        ends = {partition: span.stop for partition, span in spans.items() if span}
        with self._explained():
            self._consumer.assign([TopicPartition(*partition, spans[partition].start) for partition in ends])
            heard = time.monotonic()
            while ends:
                first = self._consumer.poll(_FETCH_S)
                # `consume` waits its whole timeout unless it is full: 0 takes what has been fetched already.
                messages = [] if first is None else [first, *self._consumer.consume(_FETCH_RECORDS, 0)]
                for message in messages:
                    if is_about_the_group(message):
                        continue
                    partition, offset = _where(message)
                    is_end = is_partition_end(message)
                    if partition in ends and not is_end and offset < ends[partition]:
                        yield message
                    # Markers of transactions take offsets too, so the last offset may hold no record.
                    reached = offset if is_end else offset + 1
                    if partition in ends and (reached >= ends[partition] or (is_end and not waits)):
                        self._consumer.incremental_unassign([TopicPartition(*partition)])
                        yield SpanRead(partition, min(reached, ends.pop(partition)))
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > SILENT_S:
                    raise self._silence(ends)

    def first(self, partitions: Iterable[Partition], within_s: float) -> Message | None:
        """A first record of any of the partitions; None where none comes in time."""
        self._consumer.assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in partitions])
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(left_s)
            if message is not None and message.error() is None:
                return message
        return None

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
            raise explain(self._errors.last or error.args[0], self._servers, rights) from None


def _where(message: Message) -> tuple[Partition, int]:
    partition, offset = message.partition(), message.offset()
    return Partition(
        message.topic() or "", -1 if partition is None else partition
    ), -1 if offset is None else offset
