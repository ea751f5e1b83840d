"""Labels joined with an archive: which label a record has, what is left out, and a file that trains."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import InputDataError
from shared.formats import InputFormat
from shared.kafka.labels.reader import Change
from shared.messages import LabelKey, text_sha256
from tests.support.labels import MOMENT, label
from trainer.data.archive import parts as archive_parts
from trainer.data.archive.labelled import Joined, join_labels, joined_lines, labelled_file
from trainer.data.archive.parts import ArchivedRecord, Origin, PartWriter, archive_row
from trainer.data.readers import read_examples

if TYPE_CHECKING:
    from pathlib import Path

FAR_MS = 253_402_300_800_000
"""The first millisecond of the year 10,000."""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Partitions 0 and 1 with the texts `text 0-0` to `text 1-9`, in parts of four rows; 0-9 has no text."""
    monkeypatch.setattr(archive_parts, "PART_ROWS", 4)
    folder = tmp_path / "archive"
    writer = PartWriter(folder, Origin("texts", "id-1"))
    for partition in range(2):
        writer.begin(partition, 0)
        for offset in range(10):
            value = b"{" if (partition, offset) == (0, 9) else b'{"text": "text %d-%d"}' % (partition, offset)
            record = ArchivedRecord("texts", partition, offset, FAR_MS, None, (), value)
            writer.add(archive_row(record, InputFormat()), record.size)
        writer.end(partition, 12)
    return folder


def said(place: str, who: str, verdict: str, **more: Any) -> Change:
    """One label, for the text that the archive has at `partition-offset`."""
    partition, offset = map(int, place.split("-"))
    key = LabelKey(more.pop("topic", "texts"), partition, offset, who)
    return Change(key, label(key, verdict, **{"text_sha256": text_sha256(f"text {place}")} | more))


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The labelled rows by id, without the times, which Python cannot hold."""
    table = pq.read_table(labelled_file(folder)).drop_columns(["timestamp", "created_at"])
    return {row["id"]: row for row in table.to_pylist()}


def test_a_record_gets_the_label_of_its_annotator(archive: Path) -> None:
    """In the parts where there are labels; the latest counts, and one that was taken back does not."""
    changes = [
        said("0-3", "ann", "negative"),
        said("0-3", "ann", "positive", purpose="audit", selection_probability=0.01),
        said("1-8", "ann|x", "neutral", purpose="free"),
        said("1-7", "ann", "negative"),
        Change(LabelKey("texts", 1, 7, "ann"), None),
    ]
    assert join_labels(changes, "texts", archive) == Joined(labels=2, used=2, records=2)
    assert rows(archive) == {
        "texts-0-3": {
            "topic": "texts",
            "partition": 0,
            "offset": 3,
            "id": "texts-0-3",
            "text": "text 0-3",
            "source": None,
            "label": "positive",
            "annotators": ["ann"],
            "purpose": "audit",
            "selection_probability": 0.01,
        },
        "texts-1-8": {
            "topic": "texts",
            "partition": 1,
            "offset": 8,
            "id": "texts-1-8",
            "text": "text 1-8",
            "source": None,
            "label": "neutral",
            "annotators": ["ann|x"],
            "purpose": "free",
            "selection_probability": None,
        },
    }
    table = pq.read_table(labelled_file(archive))
    assert table.column("timestamp").cast(pa.int64()).to_pylist() == [FAR_MS, FAR_MS]


def test_every_label_is_used_or_counted_by_the_reason_why_not(archive: Path) -> None:
    """One of each kind; a tie leaves the record out, and `unsure` is no vote."""
    changes = [
        said("0-0", "ann", "positive", topic="other"),
        said("0-11", "ann", "positive"),
        said("0-99", "ann", "positive"),
        said("5-0", "ann", "positive"),
        said("0-9", "ann", "positive"),
        said("0-1", "ann", "positive", text_sha256=text_sha256("another text")),
        said("0-2", "ann", "unsure"),
        said("0-4", "ann", "positive"),
        said("0-4", "bob", "negative"),
        said("0-4", "eve", "unsure"),
        said("1-5", "ann", "negative"),
        said("1-5", "bob", "positive"),
        said("1-5", "eve", "positive"),
        said("1-5", "joe", "negative", text_sha256=text_sha256("another text")),
    ]
    found = join_labels(changes, "texts", archive)
    assert found == Joined(
        labels=14,
        used=3,
        records=1,
        other_topics=1,
        not_archived=3,
        without_text=1,
        other_text=2,
        unsure=2,
        tied=2,
        tied_records=1,
    )
    counts = asdict(found)
    reasons = ("other_topics", "not_archived", "without_text", "other_text", "unsure", "tied")
    assert counts["labels"] == counts["used"] + sum(counts[reason] for reason in reasons)
    assert {key: (row["label"], row["annotators"]) for key, row in rows(archive).items()} == {
        "texts-1-5": ("positive", ["ann", "bob", "eve"])
    }
    lines = joined_lines(found, labelled_file(archive), unreadable=4)
    assert lines[0].endswith("archive-labelled.parquet: 1 labelled records, from 3 of 14 labels")
    assert [line.split()[2] for line in lines[1:]] == ["1", "3", "1", "2", "2", "2", "4"]


def test_a_record_that_was_drawn_at_random_stays_one(archive: Path) -> None:
    """Audit before queue before free, whoever labels it again, and of several audits the first."""
    later = MOMENT + timedelta(hours=1)
    changes = [
        said("0-0", "ann", "positive", purpose="free"),
        said("0-0", "bob", "positive", purpose="audit", selection_probability=0.2, labelled_at=later),
        said("0-0", "eve", "unsure", purpose="audit", selection_probability=0.1),
        said("0-1", "ann", "positive", purpose="free"),
        said("0-1", "bob", "positive", purpose="queue", labelled_at=later),
    ]
    join_labels(changes, "texts", archive)
    assert {key: (row["purpose"], row["selection_probability"]) for key, row in rows(archive).items()} == {
        "texts-0-0": ("audit", 0.1),
        "texts-0-1": ("queue", None),
    }


def test_the_file_is_that_of_the_last_run(archive: Path) -> None:
    """Labels that were taken back meanwhile are not trained on, also if none is left."""
    join_labels([said("0-0", "ann", "positive")], "texts", archive)
    assert len(rows(archive)) == 1
    assert join_labels([], "texts", archive) == Joined()
    assert rows(archive) == {}


def test_an_archive_without_records_has_no_labels(tmp_path: Path) -> None:
    """Nothing was archived: no folder, and a file without rows."""
    archive = tmp_path / "new" / "archive"
    assert join_labels([said("0-0", "ann", "positive")], "texts", archive).not_archived == 1
    assert rows(archive) == {}


@pytest.mark.parametrize("content", [None, b"x"])
def test_a_file_of_the_user_is_not_replaced(content: bytes | None, archive: Path) -> None:
    """It may be the labels of another tool."""
    path = labelled_file(archive)
    if content is None:
        pq.write_table(pa.table({"id": ["1"]}), path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(InputDataError, match="is not a file of labelled records"):
        join_labels([], "texts", archive)
    assert path.read_bytes() == before


def test_the_trainer_reads_the_file_as_it_is(archive: Path) -> None:
    """Text, label and id, without an option."""
    join_labels([said("0-0", "ann", "positive"), said("1-1", "ann", "negative")], "texts", archive)
    found = read_examples(labelled_file(archive))
    assert (found.ids, found.texts) == (("texts-0-0", "texts-1-1"), ("text 0-0", "text 1-1"))
    assert [found.label_names[number] for number in found.labels] == ["positive", "negative"]
