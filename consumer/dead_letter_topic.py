"""Reads the dead-letter topic from end to end: no group, no commits, and it ends where the topic ends now.

Only decided records are read (read_committed). A transaction that is still open hides what stands behind
it, so where a receipt must not be missed, the end is that of all records and reading waits for it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from consumer.dead_letters import Index, Letter, Place, Receipt, build_index, read_entry
from consumer.preflight import REQUEST_S, retention_of
from shared.errors import KafkaStateError, KafkaUnreachable
from shared.kafka import (
    ClientErrors,
    client_config,
    cluster_metadata,
    explain,
    headers_of,
    refused_configuration,
    require_topics,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from consumer.settings import ConsumerSettings

SILENT_S: Final = 90.0
"""Without a record for this long the broker is taken for gone; an open transaction times out after 60 s."""
_FIRST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_NEXT: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_FETCH_RECORDS: Final = 500
_FETCH_S: Final = 0.2


class DeadLetterTopic:
    """The topic and its readers; used by one thread, and closed after use."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self.name = settings.dlq_topic
        self._servers = settings.kafka.bootstrap_servers
        self._errors = ClientErrors()
        ours: dict[str, str | int | float | bool] = {
            "client.id": "sentiment-dlq",
            "group.id": f"sentiment-dlq-{uuid4().hex}",  # demanded by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 16_384,
        }
        try:
            self._admin = AdminClient(client_config(settings.kafka, self._errors, {"client.id": "sentiment-dlq"}))
            self._consumer = Consumer(client_config(settings.kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Makes sure that the topic exists; raises an explained error."""
        try:
            self._partitions = range(self.partitions_of([self.name])[self.name])
        except BaseException:
            self._consumer.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self._consumer.close()

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Counts the partitions of any topics; raises KafkaStateError for one that does not exist."""
        return require_topics(cluster_metadata(self._admin, self._errors, self._servers), topics)

    def retention_ms(self, topic: str) -> int | None:
        """How long a topic keeps a record by the record's timestamp; None: for ever, or it is not told."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        (future,) = self._admin.describe_configs([resource], request_timeout=REQUEST_S).values()
        return retention_of(future)

    def index(self, *, complete: bool = False) -> Index:
        """Reads the whole topic without keeping contents, up to the first open transaction.

        With `complete` it waits for open transactions to end, so that every receipt that was written before
        the call is seen. Raises an explained error, also when one stays open for SILENT_S.
        """
        isolation = IsolationLevel.READ_UNCOMMITTED if complete else IsolationLevel.READ_COMMITTED
        with self._explained():
            starts = self._offsets(_FIRST, isolation)
            ends = self._offsets(_NEXT, isolation)
            spans = {partition: range(starts[partition], ends[partition]) for partition in self._partitions}
            return build_index(map(_entry, self._messages(spans)))

    def letters(self, places: Collection[Place]) -> Iterator[Letter]:
        """Reads these letters with their contents, in order within each partition; what is gone is left out."""
        offsets: defaultdict[int, set[int]] = defaultdict(set)
        for place in places:
            offsets[place.partition].add(place.offset)
        spans = {partition: range(min(some), max(some) + 1) for partition, some in offsets.items()}
        with self._explained():
            for message in self._messages(spans):
                partition, offset = _where(message)
                if offset in offsets[partition] and isinstance(entry := _entry(message), Letter):
                    yield entry

    def letter(self, place: Place) -> Letter:
        """Reads one letter; raises KafkaStateError that says what stands there instead."""
        with self._explained():
            if place.partition not in self._partitions:
                raise KafkaStateError(f"{self.name} has no partition {place.partition}")
            end = self._offsets(_NEXT, IsolationLevel.READ_COMMITTED)[place.partition]
            span = range(place.offset, min(place.offset + 1, end))
            found = [m for m in self._messages({place.partition: span}) if m.offset() == place.offset]
        entry = _entry(found[0]) if found else None
        if isinstance(entry, Letter):
            return entry
        there = "no letter of this service"
        if isinstance(entry, Receipt):
            there = f"the receipt for the letter {entry.letter}, replayed to {entry.topic}"
        elif not found:
            there = "nothing, or nothing any more"
        raise KafkaStateError(f"at {place} of {self.name} stands {there}; see sentiment-consumer dlq list")

    def _offsets(self, spec: OffsetSpec, isolation: IsolationLevel) -> dict[int, int]:
        asked = {TopicPartition(self.name, partition): spec for partition in self._partitions}
        futures = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=REQUEST_S)
        return {place.partition: future.result().offset for place, future in futures.items()}

    def _messages(self, spans: Mapping[int, range]) -> Iterator[Message]:
        """The records of all spans, in order within each; raises KafkaException, or KafkaUnreachable."""
        ends = {partition: span.stop for partition, span in spans.items() if span}
        self._consumer.assign([TopicPartition(self.name, p, spans[p].start) for p in ends])
        heard = time.monotonic()
        while ends:
            first = self._consumer.poll(_FETCH_S)
            # `consume` waits its whole timeout unless it is full: 0 takes what has been fetched already.
            messages = [] if first is None else [first, *self._consumer.consume(_FETCH_RECORDS, 0)]
            for message in messages:
                partition, offset = _where(message)
                is_end = _is_end(message)
                if partition in ends and not is_end and offset < ends[partition]:
                    yield message
                # Markers of transactions take offsets too, so the last offset may hold no record.
                if partition in ends and (offset if is_end else offset + 1) >= ends[partition]:
                    del ends[partition]
                    self._consumer.incremental_unassign([TopicPartition(self.name, partition)])
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_S:
                raise self._silence(ends)

    def _silence(self, ends: Collection[int]) -> Exception:
        if self._errors.last is not None:
            return explain(self._errors.last, self._servers)
        return KafkaUnreachable(
            f"{self.name}: nothing came for {SILENT_S:.0f} s from partitions {', '.join(map(str, ends))} though "
            "they hold more; perhaps a transaction is open there (kafka-transactions.sh find-hanging)"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise explain(self._errors.last or error.args[0], self._servers) from None


def _entry(message: Message) -> Letter | Receipt | None:
    kind, written_ms = message.timestamp()
    return read_entry(
        Place(*_where(message)),
        0 if kind == TIMESTAMP_NOT_AVAILABLE else written_ms,
        message.key(),
        message.value(),
        headers_of(message) or (),
    )


def _where(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    return (-1 if partition is None else partition), (-1 if offset is None else offset)


def _is_end(message: Message) -> bool:
    """Whether this says that the end of the partition is reached; raises KafkaException for an error."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constants
        return True
    raise KafkaException(error)
