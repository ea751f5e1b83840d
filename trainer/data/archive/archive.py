"""Archives a selection of a topic: reads and writes the records that the folder does not have yet.

It commits nothing. The end offsets are fixed at the start, so it ends even while producers continue. A folder has
ranges of offsets, so selections may come in any order, overlap and leave gaps.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE
from rich.console import Console
from rich.progress import Progress

from shared.errors import SettingsError
from shared.kafka.message import headers_of
from shared.kafka.offset_ranges import last_of, without
from shared.kafka.reader import Partition, SpanRead, TopicReader
from trainer.data.archive.parts import ArchivedRecord, Origin, PartWriter, archive_row, covered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from confluent_kafka import Message

    from shared.formats import InputFormat
    from shared.kafka.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records to read; starts are inclusive, ends are exclusive. By default all."""

    from_offset: int | None = None
    to_offset: int | None = None
    from_time_ms: int | None = None
    to_time_ms: int | None = None
    last: int | None = None
    """Number of newest records of the topic, as evenly as possible from its partitions."""

    def __post_init__(self) -> None:
        """Refuses two starts or two ends; raises SettingsError."""
        starts = [self.from_offset, self.from_time_ms, self.last]
        ends = [self.to_offset, self.to_time_ms, self.last]
        if max(sum(value is not None for value in values) for values in (starts, ends)) > 1:
            raise SettingsError("give one start and one end: by offset, by time, or --last alone")


@dataclass(frozen=True, slots=True)
class Archived:
    """The result of one run."""

    rows: int
    undecodable: int
    already: int
    """Offsets of the selection that earlier runs had covered."""
    lacking: int = 0
    """Records that `last` requires and the topic does not have."""


def archive(kafka: KafkaSettings, topic: str, output: Path, selection: Selection, form: InputFormat) -> Archived:
    """Writes the selected records that the folder does not have yet; raises an explained SentimentError."""
    with TopicReader(kafka, "sentiment-archive") as reader:
        partitions = [Partition(topic, number) for number in range(reader.partitions_of([topic])[topic])]
        origin = Origin(topic, reader.topic_id(topic))
        done = covered(output, origin)
        wanted, lacking = _wanted(reader, partitions, selection)
        left = {one: without(span, done.get(one.number, ())) for one, span in wanted.items()}
        writer = PartWriter(output, origin)
        _copy(reader, left, writer, form)
    already = sum(map(len, wanted.values())) - _offsets(left)
    return Archived(writer.rows, writer.undecodable, already, lacking)


def _wanted(
    reader: TopicReader, partitions: list[Partition], selection: Selection
) -> tuple[dict[Partition, range], int]:
    """One span of each partition, and the number of the `last` records that the topic lacks."""
    spans = reader.spans(partitions)
    if selection.last is not None:
        return _newest(reader, spans, selection.last)
    starts, ends = (
        reader.offsets_at(spans, moment_ms)
        if moment_ms is not None
        else dict.fromkeys(spans, offset)
        if offset is not None
        else {}
        for offset, moment_ms in (
            (selection.from_offset, selection.from_time_ms),
            (selection.to_offset, selection.to_time_ms),
        )
    )
    return {
        partition: range(
            max(span.start, starts.get(partition, span.start)), min(span.stop, ends.get(partition, span.stop))
        )
        for partition, span in spans.items()
    }, 0


def _newest(
    reader: TopicReader, spans: Mapping[Partition, range], count: int
) -> tuple[dict[Partition, range], int]:
    """Spans with `count` records in total, and the number of records that are missing for that.

    Searches backwards from the ends, in growing spans, until each partition has its even share or no more records.
    Each returned span begins at a record.
    """
    # Records, not offsets: transaction markers and aborted records take offsets, so the last ones may have none.
    found = {partition: array("q") for partition in spans}
    seen_from = {partition: span.stop for partition, span in spans.items()}
    while True:
        # A partition that is not searched to its start may have any number of records.
        most = {
            partition: range(count if seen_from[partition] > span.start else len(found[partition]))
            for partition, span in spans.items()
        }
        shares = {partition: len(share) for partition, share in last_of(most, count).items()}
        short = [partition for partition, share in shares.items() if len(found[partition]) < share]
        if not short:
            break
        searched = {
            partition: _before(spans[partition], seen_from[partition], shares[partition] - len(found[partition]))
            for partition in short
        }
        older = {partition: array("q") for partition in short}
        for message in reader.messages(searched):
            record = _record(message)
            older[Partition(record.topic, record.partition)].append(record.offset)
        for partition, offsets in older.items():
            found[partition] = offsets + found[partition]
            seen_from[partition] = searched[partition].start
    wanted = {
        partition: range(found[partition][-share], spans[partition].stop) if share else range(0)
        for partition, share in shares.items()
    }
    return wanted, count - sum(shares.values())


def _before(span: range, seen_from: int, lacking: int) -> range:
    """The next offsets to search: as many as records are missing, or as searched so far if that is more."""
    return range(max(span.start, seen_from - max(lacking, span.stop - seen_from)), seen_from)


def _copy(
    reader: TopicReader, left: Mapping[Partition, list[range]], writer: PartWriter, form: InputFormat
) -> None:
    """Reads the ranges and writes parts; records that were read are written even if reading fails."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("archiving", total=_offsets(left))
        try:
            # One range of each partition at a time: the client has a single position for each.
            for number in range(max(map(len, left.values()), default=0)):
                spans = {partition: ranges[number] for partition, ranges in left.items() if len(ranges) > number}
                for partition, span in spans.items():
                    writer.begin(partition.number, span.start)
                # What is behind an open transaction is left for a later run.
                for one in reader.read(spans, waits=False):
                    if isinstance(one, SpanRead):
                        writer.end(one.partition.number, one.end)
                    else:
                        record = _record(one)
                        writer.add(archive_row(record, form), record.size)
                        progress.advance(task)
        finally:
            writer.flush()


def _offsets(ranges: Mapping[Partition, list[range]]) -> int:
    return sum(len(one) for several in ranges.values() for one in several)


def _record(message: Message) -> ArchivedRecord:
    kind, timestamp_ms = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None  # noqa: S101 - a record has both
    assert offset is not None  # noqa: S101
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
    """Converts to bytes: the client's types allow str, although a plain consumer never returns it."""
    return content.encode() if isinstance(content, str) else content
