"""Any archive runs in any order: the folder holds the union of the requested records, each once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self
from unittest import mock

import pyarrow.parquet as pq
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException, TopicPartition
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import SentimentError
from shared.formats import InputFormat
from shared.kafka import reader
from shared.kafka.offset_ranges import last_of, without
from shared.kafka.settings import KafkaSettings
from trainer.data.archive import parts as archive_parts
from trainer.data.archive.archive import Archived, Selection, archive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka.admin import OffsetSpec

TOPIC: Final = "texts"
KAFKA: Final = KafkaSettings()
EARLIEST: Final = -2
LATEST: Final = -1
"""The special timestamps of ListOffsets for the first and for the next offset."""


@dataclass
class Log:
    """A topic: for each partition, the offsets with a committed record, and where a reader begins and ends."""

    records: list[list[bool]]
    ends: list[int]
    lows: list[int]

    def held(self, partition: int) -> list[int]:
        """Offsets of the records that a reader of committed ones gets now."""
        span = range(self.lows[partition], self.ends[partition])
        return [offset for offset in span if self.records[partition][offset]]


class FakeMessage:
    """What the client returns: a record, or the end of a partition."""

    def __init__(self, partition: int, offset: int, *, end: bool = False) -> None:
        self._place = partition, offset
        self._end = end

    def error(self) -> KafkaError | None:
        """The error of a partition's end."""
        return KafkaError(KafkaError._PARTITION_EOF) if self._end else None  # noqa: SLF001

    def topic(self) -> str:
        """The only topic."""
        return TOPIC

    def partition(self) -> int:
        """Partition of the record, or the one that ended."""
        return self._place[0]

    def offset(self) -> int:
        """Offset of the record, or of the partition's end."""
        return self._place[1]

    def timestamp(self) -> tuple[int, int]:
        """Grows with the offset."""
        return TIMESTAMP_CREATE_TIME, self._place[1]

    def key(self) -> None:
        """No key."""

    def headers(self) -> None:
        """No headers."""

    def value(self) -> bytes:
        """A distinct value."""
        return b'{"text": "%d-%d"}' % self._place


@dataclass
class FakeConsumer:
    """librdkafka's consumer of committed records, without a network; fails once, after some messages."""

    log: Log
    fails_after: int | None = None
    _at: dict[int, int] = field(default_factory=dict)
    _fetched: list[FakeMessage] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Like the client."""
        return self

    def close(self) -> None:
        """Like the client."""

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Starts at these offsets."""
        self._at = {one.partition: one.offset for one in partitions}

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Stops these partitions."""
        for one in partitions:
            del self._at[one.partition]

    def poll(self, timeout: float) -> FakeMessage | None:  # noqa: ARG002
        """Returns the first message of a fetch; the next `consume` returns the rest."""
        self._fetched = self._fetched or self.fetch()
        return self._fetched.pop(0) if self._fetched else None

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:  # noqa: ARG002
        """Returns the messages that are already fetched."""
        fetched, self._fetched = self._fetched, []
        return fetched

    def fetch(self) -> list[FakeMessage]:
        """A few messages of each partition in turn; a fetched message may belong to a stopped partition."""
        messages = []
        for partition, at in list(self._at.items()):
            following = [offset for offset in self.log.held(partition) if offset >= at][:3]
            messages += [FakeMessage(partition, offset) for offset in following]
            self._at[partition] = following[-1] + 1 if following else self.log.ends[partition]
            if len(following) < 3:
                messages.append(FakeMessage(partition, self.log.ends[partition], end=True))
        if self.fails_after is not None:
            self.fails_after -= len(messages)
            if self.fails_after < 0:
                raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # noqa: SLF001
        return messages


@dataclass
class FakeAdmin:
    """librdkafka's admin client for the offsets of a reader of committed records."""

    log: Log

    def list_offsets(
        self, asked: Mapping[TopicPartition, OffsetSpec], **_: object
    ) -> dict[TopicPartition, Future[SimpleNamespace]]:
        """The first offset, the first undecided one, or that of the first record at or after a time, else -1."""
        answers = {}
        for place, spec in asked.items():
            future: Future[SimpleNamespace] = Future()
            future.set_result(SimpleNamespace(offset=self._offset(place.partition, spec._value)))  # noqa: SLF001
            answers[place] = future
        return answers

    def _offset(self, partition: int, what: int) -> int:
        if what in {EARLIEST, LATEST}:
            return (self.log.lows if what == EARLIEST else self.log.ends)[partition]
        return next((offset for offset in self.log.held(partition) if offset >= what), -1)


def run(log: Log, folder: Path, selection: Selection, fails_after: int | None = None) -> Archived:
    """Archives from a fake topic, in parts of at most three rows."""
    consumer: Any = FakeConsumer(log, fails_after)
    with (
        mock.patch.object(reader, "Consumer", return_value=consumer),
        mock.patch.object(reader, "AdminClient", return_value=FakeAdmin(log)),
        mock.patch.object(reader.TopicReader, "partitions_of", return_value={TOPIC: len(log.records)}),
        mock.patch.object(reader.TopicReader, "topic_id", return_value="id-1"),
        mock.patch.object(archive_parts, "PART_ROWS", 3),
    ):
        return archive(KAFKA, TOPIC, folder, selection, InputFormat())


def archived(folder: Path) -> list[tuple[int, int]]:
    """Partition and offset of every row of every part, in order."""
    tables = [pq.read_table(path, columns=["partition", "offset"]) for path in folder.glob("*.parquet")]
    return sorted((row["partition"], row["offset"]) for table in tables for row in table.to_pylist())


def expected(log: Log, selection: Selection) -> set[tuple[int, int]]:
    """The records that a selection means, found in the whole topic."""
    held = {partition: log.held(partition) for partition in range(len(log.records))}
    if selection.last is not None:
        shares = last_of({partition: range(len(offsets)) for partition, offsets in held.items()}, selection.last)
        return {(partition, held[partition][at]) for partition, share in shares.items() for at in share}
    start = next((value for value in (selection.from_offset, selection.from_time_ms) if value is not None), 0)
    end = next((value for value in (selection.to_offset, selection.to_time_ms) if value is not None), 10**6)
    return {
        (partition, offset) for partition, offsets in held.items() for offset in offsets if start <= offset < end
    }


PARTITIONS = st.lists(
    st.lists(st.sampled_from([(True, 1), (False, 1), (True, 5), (False, 7)]), max_size=8).map(
        lambda runs: [kind for kind, length in runs for _ in range(length)]
    ),
    min_size=1,
    max_size=3,
)
"""Runs of records, and of markers, aborted or compacted records between them."""
AT = st.none() | st.integers(0, 40)
SELECTIONS = st.one_of(
    st.builds(Selection, from_offset=AT, to_offset=AT),
    st.builds(Selection, from_time_ms=AT, to_time_ms=AT),
    st.builds(Selection, last=st.integers(1, 30)),
)
STEPS = st.lists(st.tuples(SELECTIONS, st.integers(0, 40), st.none() | st.integers(0, 12)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(records=PARTITIONS, steps=STEPS)
@example(records=[[True] * 100], steps=[(Selection(last=10), 100, None), (Selection(), 0, None)])
@example(records=[[True, False] * 6 + [False] * 10], steps=[(Selection(last=6), 22, None)])
@example(records=[[True] * 9], steps=[(Selection(), 4, None), (Selection(), 9, None)])
def test_a_folder_holds_what_was_asked_for_each_record_once(
    records: list[list[bool]], steps: list[tuple[Selection, int, int | None]]
) -> None:
    """Any selections in any order, of a topic with gaps that grows, some aborted by Kafka and then run again."""
    log = Log(records, [0] * len(records), [0] * len(records))
    asked: set[tuple[int, int]] = set()
    with TemporaryDirectory() as place:
        folder = Path(place) / "archive"
        for selection, grown, fails_after in steps:
            log.ends = [min(end + grown, len(one)) for end, one in zip(log.ends, records, strict=True)]
            before = len(archived(folder))
            try:
                done = run(log, folder, selection, fails_after)
            except SentimentError:
                rows = archived(folder)
                assert len(set(rows)) == len(rows)
                assert set(rows) <= asked | expected(log, selection)
                before, done = len(rows), run(log, folder, selection)
            meant = expected(log, selection)
            asked |= meant
            assert archived(folder) == sorted(asked)
            assert done.rows == len(asked) - before
            assert done.lacking == (0 if selection.last is None else selection.last - len(meant))
        assert run(log, folder, selection).rows == 0


@given(st.integers(0, 20), st.integers(0, 20), st.lists(st.builds(range, st.integers(0, 25), st.integers(0, 25))))
def test_what_is_left_of_a_span_is_what_nothing_covers(start: int, length: int, covered: list[range]) -> None:
    """Offsets, one by one: left or covered, never both; in order, and no range is empty or touches the next."""
    span = range(start, start + length)
    left = without(span, covered)
    assert [offset for one in left for offset in one] == [
        offset for offset in span if not any(offset in one for one in covered)
    ]
    assert all(left)
    assert all(one.stop < following.start for one, following in pairwise(left))


def test_records_behind_an_open_transaction_are_not_taken_for_archived(tmp_path: Path) -> None:
    """The end that a reader reaches may lie before the expected one; later records come in the next run."""
    log = Log([[True] * 10], [10], [0])
    promised = {reader.Partition(TOPIC, 0): range(10)}
    with mock.patch.object(reader.TopicReader, "spans", return_value=promised):
        log.ends = [4]
        assert run(log, tmp_path, Selection()).rows == 4
    log.ends = [10]
    assert run(log, tmp_path, Selection()).rows == 6


def test_a_silent_broker_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing arrives although records are left: the error names the partitions."""
    monkeypatch.setattr(reader, "SILENT_S", -1.0)
    monkeypatch.setattr(FakeConsumer, "fetch", lambda _: [])
    with pytest.raises(SentimentError, match="nothing came for -1 s though there is more"):
        run(Log([[True]], [1], [0]), tmp_path, Selection())
