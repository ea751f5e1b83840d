"""Reads a range of a topic into an archive folder; the only part of the trainer that speaks Kafka.

It belongs to no consumer group and commits nothing. Where it stops is fixed at the start, so it ends
even while producers go on, and a second run goes on where the folder ends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, TopicPartition
from rich.console import Console
from rich.progress import Progress

from shared.errors import KafkaUnreachable, SettingsError
from shared.kafka import (
    CONNECT_TIMEOUT_S,
    ClientErrors,
    client_config,
    cluster_metadata,
    explain,
    headers_of,
    is_about_the_group,
    is_partition_end,
    refused_configuration,
    require_topics,
)
from shared.offsets import last_of
from trainer.archive_parts import ArchivedRecord, PartWriter, archive_row, archived_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka import Message

    from shared.kafka import KafkaSettings
    from shared.messages import InputFormat

POLL_RECORDS: Final = 500
POLL_S: Final = 1.0
SILENT_S: Final = 60.0
"""Without a record for this long, though some are left, the broker is taken for gone."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records to read; starts are included, ends are not. Nothing set: all."""

    from_offset: int | None = None
    to_offset: int | None = None
    from_time_ms: int | None = None
    to_time_ms: int | None = None
    last: int | None = None
    """The newest records of the topic, as evenly as possible from its partitions."""

    def __post_init__(self) -> None:
        """Refuses two starts or two ends; raises SettingsError."""
        starts = [self.from_offset, self.from_time_ms, self.last]
        ends = [self.to_offset, self.to_time_ms, self.last]
        if max(sum(value is not None for value in values) for values in (starts, ends)) > 1:
            raise SettingsError("give one start and one end: by offset, by time, or --last alone")


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition that are to be read; `end` is not included."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Archived:
    """What one run did."""

    rows: int
    undecodable: int
    already: int
    """Offsets of the selection that earlier runs had covered."""


def archive(kafka: KafkaSettings, topic: str, output: Path, selection: Selection, form: InputFormat) -> Archived:
    """Writes the selected records that the folder does not hold yet; raises an explained SentimentError."""
    done = archived_until(output, topic)
    errors = ClientErrors()
    with _consumer(kafka, errors) as consumer:
        metadata = cluster_metadata(consumer, errors, kafka.bootstrap_servers, topic)
        partitions = range(require_topics(metadata, [topic])[topic])
        try:
            wanted = _spans(consumer, topic, partitions, selection)
            left = [Span(s.partition, max(s.start, done.get(s.partition, 0)), s.end) for s in wanted]
            writer = PartWriter(output)
            _copy(consumer, topic, [span for span in left if span.start < span.end], writer, form)
        except KafkaException as error:
            rights = {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {topic}"}
            raise explain(errors.last or error.args[0], kafka.bootstrap_servers, rights) from None
        except TimeoutError:
            raise _silence(errors, kafka.bootstrap_servers) from None
    already = _offsets(wanted) - _offsets(left)
    return Archived(writer.rows, writer.undecodable, already)


def _offsets(spans: list[Span]) -> int:
    return sum(max(0, span.end - span.start) for span in spans)


def _consumer(kafka: KafkaSettings, errors: ClientErrors) -> Consumer:
    ours: dict[str, str | int | float | bool] = {
        "group.id": f"sentiment-archive-{uuid4().hex}",  # demanded by the client, never joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 16_384,
    }
    try:
        return Consumer(client_config(kafka, errors, ours))
    except KafkaException as error:
        raise refused_configuration(error) from None


def _spans(consumer: Consumer, topic: str, partitions: range, selection: Selection) -> list[Span]:
    """What is to be read of each partition, between its first and its next offset as of now."""
    found = []
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=CONNECT_TIMEOUT_S)
        found.append(Span(partition, low, high))
    if selection.last is not None:
        newest = last_of({span.partition: range(span.start, span.end) for span in found}, selection.last)
        return [Span(partition, offsets.start, offsets.stop) for partition, offsets in newest.items()]
    starts, ends = (
        _at(consumer, topic, found, offset, moment_ms)
        for offset, moment_ms in (
            (selection.from_offset, selection.from_time_ms),
            (selection.to_offset, selection.to_time_ms),
        )
    )
    return [
        Span(
            span.partition,
            max(span.start, starts.get(span.partition, span.start)),
            min(span.end, ends.get(span.partition, span.end)),
        )
        for span in found
    ]


def _at(
    consumer: Consumer, topic: str, spans: list[Span], offset: int | None, moment_ms: int | None
) -> dict[int, int]:
    """The offset in each partition that an offset or a time means; empty if neither is set."""
    if offset is not None:
        return {span.partition: offset for span in spans}
    if moment_ms is None:
        return {}
    asked = [TopicPartition(topic, span.partition, moment_ms) for span in spans]
    answers = consumer.offsets_for_times(asked, timeout=CONNECT_TIMEOUT_S)
    # No record that late: the answer is negative and means the end.
    return {
        span.partition: answer.offset if answer.offset >= 0 else span.end
        for span, answer in zip(spans, answers, strict=True)
    }


def _copy(consumer: Consumer, topic: str, spans: list[Span], writer: PartWriter, form: InputFormat) -> None:
    """Reads the spans and writes parts; what was read is written also when reading ends in an error."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"archiving {topic}", total=_offsets(spans))
        try:
            for record in _records(consumer, topic, spans):
                writer.add(archive_row(record, form), record.size)
                progress.advance(task)
        finally:
            writer.flush()


def _records(consumer: Consumer, topic: str, spans: list[Span]) -> Iterator[ArchivedRecord]:
    """The records of all spans, in order within each; raises KafkaException and TimeoutError."""
    open_spans = {span.partition: span for span in spans}
    consumer.assign([TopicPartition(topic, span.partition, span.start) for span in spans])
    heard = time.monotonic()
    while open_spans:
        messages = consumer.consume(POLL_RECORDS, timeout=POLL_S)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENT_S:
            raise TimeoutError
        for message in messages:
            if is_about_the_group(message):
                continue
            partition, offset = _where(message)
            span = open_spans.get(partition)
            if span is None:
                continue
            ended = is_partition_end(message)
            if not ended and offset < span.end:
                yield _record(message)
            # Markers of transactions take offsets too, so the last offset of a span may hold no record:
            # the end of the partition, or a record behind the span, ends it as well.
            if ended or offset >= span.end - 1:
                del open_spans[partition]
                consumer.incremental_unassign([TopicPartition(topic, partition)])


def _where(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    return (-1 if partition is None else partition), (-1 if offset is None else offset)


def _record(message: Message) -> ArchivedRecord:
    kind, timestamp_ms = message.timestamp()
    partition, offset = _where(message)
    return ArchivedRecord(
        topic=str(message.topic()),
        partition=partition,
        offset=offset,
        timestamp_ms=None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=_bytes(message.key()),
        headers=headers_of(message) or (),  # those that the client cannot read are left out
        value=_bytes(message.value()),
    )


def _bytes(content: str | bytes | None) -> bytes | None:
    """As bytes: the client may hand out text, by its types, though a plain consumer never does."""
    return content.encode() if isinstance(content, str) else content


def _silence(errors: ClientErrors, servers: str) -> Exception:
    if errors.last is not None:
        return explain(errors.last, servers)
    return KafkaUnreachable(
        f"Kafka at {servers} sent no record for {SILENT_S:.0f} s though some are left; "
        "run the command again to go on"
    )
