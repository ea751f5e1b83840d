"""The archive on disk: rows as sent, bounded parts, and a folder that tells where to go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from shared.errors import InputDataError, SettingsError
from shared.messages import InputFormat
from trainer import archive_parts
from trainer.archive import Selection
from trainer.archive_parts import SCHEMA, ArchivedRecord, PartWriter, archive_row, archived_until
from trainer.reading import read_examples

if TYPE_CHECKING:
    from pathlib import Path

JSON = InputFormat()


def record(offset: int = 7, value: bytes | None = b'{"text": "fine"}', partition: int = 2) -> ArchivedRecord:
    """A record with headers as Kafka allows them: a name twice, a null and bytes that are no text."""
    headers = (("trace", b"\x00\xff"), ("trace", None), ("kind", b"tweet"))
    return ArchivedRecord("texts", partition, offset, 1_767_225_600_123, b"\xffkey", headers, value)


def fill(writer: PartWriter, records: list[ArchivedRecord]) -> None:
    """Adds records as the reader does."""
    for one in records:
        writer.add(archive_row(one, JSON), one.size)


def test_a_row_holds_the_record_byte_for_byte_and_what_its_json_says(tmp_path: Path) -> None:
    """Through Parquet and back: key, headers in order with doubles and nulls, value, coordinates, times."""
    value = json.dumps({"id": 5, "text": "fine", "source": "web", "created_at": "2026-01-01T01:00:00+01:00"})
    writer = PartWriter(tmp_path)
    fill(writer, [record(value=value.encode())])
    writer.flush()
    path = tmp_path / "part-00002-00000000000000000007.parquet"
    assert pq.read_schema(path).equals(SCHEMA)
    row = pq.read_table(path).to_pylist()[0]
    assert (row["topic"], row["partition"], row["offset"], row["key"]) == ("texts", 2, 7, b"\xffkey")
    assert [(header["name"], header["value"]) for header in row["headers"]] == list(record().headers)
    assert row["value"] == value.encode()
    assert (row["id"], row["text"], row["source"], row["error"]) == ("5", "fine", "web", None)
    assert row["timestamp"].isoformat(timespec="milliseconds") == "2026-01-01T00:00:00.123+00:00"
    assert row["created_at"].isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "null"), (b"{", "not JSON"), (b"\xff", "not UTF-8"), (b'{"text": 5}', "not a string")],
)
def test_what_has_no_text_is_archived_with_the_reason(value: bytes | None, reason: str) -> None:
    """The row keeps the value and gets the id by place, as the consumer gives it."""
    row = archive_row(record(value=value), JSON)
    assert reason in row["error"]
    assert "text" not in row
    assert (row["id"], row["value"]) == ("texts-2-7", value)


@pytest.mark.parametrize("told", ['"created_at": "soon"', '"created_at": 5', '"source": {}', '"created_at": null'])
def test_odd_extra_fields_do_no_harm(told: str) -> None:
    """Only text and id are strict; a time or source that is none is null."""
    row = archive_row(record(value=f'{{"text": "fine", {told}}}'.encode()), JSON)
    assert (row["text"], row["created_at"], row["source"]) == ("fine", None, None)


def test_bare_text_values_need_no_json() -> None:
    """--format text."""
    row = archive_row(record(value=b"just fine"), InputFormat(kind="text"))
    assert (row["text"], row["id"], row["source"]) == ("just fine", "texts-2-7", None)


def test_parts_are_cut_by_rows_and_named_by_their_first_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interleaved partitions fill parts of their own; what is left is written at the end."""
    monkeypatch.setattr(archive_parts, "PART_ROWS", 3)
    writer = PartWriter(tmp_path)
    fill(writer, [record(offset, partition=offset % 2) for offset in range(10)])
    assert [path.name[5:10] for path in sorted(tmp_path.iterdir())] == ["00000", "00001"]
    writer.flush()
    names = [(int(path.name[5:10]), int(path.name[11:31])) for path in sorted(tmp_path.iterdir())]
    assert names == [(0, 0), (0, 6), (1, 1), (1, 7)]
    assert writer.rows == 10
    assert archived_until(tmp_path, "texts") == {0: 9, 1: 10}


def test_memory_is_bounded_over_all_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many partitions with little each: the fullest is written when all together hold too much."""
    monkeypatch.setattr(archive_parts, "HELD_BYTES", 500)
    writer = PartWriter(tmp_path)
    fill(writer, [record(offset, partition=offset % 50) for offset in range(50)])
    assert len(list(tmp_path.iterdir())) >= 50 * record().size // 500 - 1


def test_a_folder_of_another_topic_or_kind_is_refused(tmp_path: Path) -> None:
    """Two topics in one folder could not be told apart by offset; other tables are left alone."""
    assert archived_until(tmp_path / "new", "texts") == {}
    writer = PartWriter(tmp_path / "archive")
    fill(writer, [record()])
    writer.flush()
    with pytest.raises(InputDataError, match="holds an archive of the topic 'texts'"):
        archived_until(tmp_path / "archive", "other")
    (tmp_path / "archive" / "x.parquet").write_bytes(b"x")
    with pytest.raises(InputDataError, match=r"x\.parquet is no part of an archive"):
        archived_until(tmp_path / "archive", "texts")


def test_a_labelled_archive_trains(tmp_path: Path) -> None:
    """The folder and a file of ids and labels are a data set; what has no text is left out."""
    writer = PartWriter(tmp_path / "archive")
    fill(writer, [record(0), record(1, None), record(2, b'{"id": "own", "text": "bad"}'), record(3)])
    writer.flush()
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\ntexts-2-0,positive\nown,negative\ntexts-2-1,negative\n", encoding="utf-8")
    found = read_examples(tmp_path / "archive", labels=labels)
    assert found.ids == ("texts-2-0", "own")
    assert found.texts == ("fine", "bad")


@pytest.mark.parametrize(
    "both", [{"from_offset": 1, "from_time_ms": 1}, {"to_offset": 1, "to_time_ms": 1}, {"last": 1, "to_offset": 1}]
)
def test_two_starts_or_two_ends_are_refused(both: dict[str, int]) -> None:
    """One start and one end, or --last alone."""
    with pytest.raises(SettingsError, match="give one start and one end"):
        Selection(**both)
