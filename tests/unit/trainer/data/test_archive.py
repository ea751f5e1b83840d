"""The archive on disk: rows as sent, bounded parts, and a folder that knows where to continue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRecord, InputDataError, SettingsError
from shared.formats import InputFormat, Kind, parse_input
from trainer.data.archive import parts as archive_parts
from trainer.data.archive.archive import Selection
from trainer.data.archive.parts import SCHEMA, ArchivedRecord, Origin, PartWriter, archive_row, covered
from trainer.data.readers import read_examples

if TYPE_CHECKING:
    from pathlib import Path

JSON = InputFormat()
ORIGIN = Origin("texts", "id-1")


ODD = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e400", "9" * 20, "-1", "2026-01-01T00:00:00Z"]


def record(offset: int = 7, value: bytes | None = b'{"text": "fine"}', partition: int = 2) -> ArchivedRecord:
    """A record with headers as Kafka allows them: a name twice, a null and bytes that are not text."""
    headers = (("trace", b"\x00\xff"), ("trace", None), ("kind", b"tweet"))
    return ArchivedRecord("texts", partition, offset, 1_767_225_600_123, b"\xffkey", headers, value)


def fill(writer: PartWriter, records: list[ArchivedRecord]) -> None:
    """Adds records as the reader does, each partition's as one range."""
    for partition in dict.fromkeys(one.partition for one in records):
        writer.begin(partition, next(one.offset for one in records if one.partition == partition))
    for one in records:
        writer.add(archive_row(one, JSON), one.size)


def test_a_row_holds_the_record_byte_for_byte_and_what_its_json_says(tmp_path: Path) -> None:
    """Through Parquet and back: key, headers in order with duplicates and nulls, value, coordinates, times."""
    value = json.dumps({"id": 5, "text": "fine", "source": "web", "created_at": "2026-01-01T01:00:00+01:00"})
    writer = PartWriter(tmp_path, ORIGIN)
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
    [(None, "null"), (b"{", "not JSON"), (b"\xff", "not UTF-8"), (b'{"text": 5}', "it is a number")],
)
def test_what_has_no_text_is_archived_with_the_reason(value: bytes | None, reason: str) -> None:
    """The row keeps the value and gets an id from its place, as in the consumer."""
    row = archive_row(record(value=value), JSON)
    assert reason in row["error"]
    assert "text" not in row
    assert (row["id"], row["value"]) == ("texts-2-7", value)


@pytest.mark.parametrize(
    "field", ['"created_at": "soon"', '"created_at": 5', '"source": {}', '"created_at": null']
)
def test_odd_extra_fields_do_no_harm(field: str) -> None:
    """Only text and id are strict; an invalid time or source becomes null."""
    row = archive_row(record(value=f'{{"text": "fine", {field}}}'.encode()), JSON)
    assert (row["text"], row["created_at"], row["source"]) == ("fine", None, None)


@pytest.mark.parametrize("kind", ["json", "json-schema", "auto"])
def test_time_and_source_are_read_as_the_text_is(kind: Kind) -> None:
    """In UTF-16, behind a frame, or encoded twice; a lone surrogate is left out, which Parquet cannot hold."""
    value = '{"text": "fine", "source": "web\\ud83d", "created_at": "2026-01-01T00:00:00Z"}'
    frame = b"" if kind == "json" else b"\0\0\0\0\5"
    encoded = value.encode("utf-16") if kind == "json" else frame + json.dumps(value).encode()
    row = archive_row(record(value=encoded), InputFormat(kind=kind))
    assert (row["text"], row["source"], row["created_at"]) == ("fine", "web", 1_767_225_600_000)


def test_bare_text_values_need_no_json() -> None:
    """--format text."""
    row = archive_row(record(value=b"just fine"), InputFormat(kind="text"))
    assert (row["text"], row["id"], row["source"]) == ("just fine", "texts-2-7", None)


def test_parts_are_cut_by_rows_and_named_by_the_beginning_of_their_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interleaved partitions fill parts of their own; the rest is written at the end."""
    monkeypatch.setattr(archive_parts, "PART_ROWS", 3)
    writer = PartWriter(tmp_path, ORIGIN)
    fill(writer, [record(offset, partition=offset % 2) for offset in range(10)])
    assert [path.name[5:10] for path in sorted(tmp_path.iterdir())] == ["00000", "00001"]
    writer.flush()
    names = [(int(path.name[5:10]), int(path.name[11:31])) for path in sorted(tmp_path.iterdir())]
    assert names == [(0, 0), (0, 5), (1, 1), (1, 6)]
    assert writer.rows == 10
    assert covered(tmp_path, ORIGIN) == {0: [range(5), range(5, 9)], 1: [range(1, 6), range(6, 10)]}


def test_a_range_ends_where_it_was_read_to_with_or_without_records(tmp_path: Path) -> None:
    """After the last record, and in a range without any, offsets of markers count as archived."""
    writer = PartWriter(tmp_path, ORIGIN)
    writer.begin(2, 5)
    writer.add(archive_row(record(7), JSON), 1)
    writer.end(2, 9)
    writer.begin(2, 20)
    writer.end(2, 30)
    writer.begin(2, 40)
    writer.end(2, 40)
    assert covered(tmp_path, ORIGIN) == {2: [range(5, 9), range(20, 30)]}
    assert pq.read_table(tmp_path).column("offset").to_pylist() == [7]


def test_memory_is_bounded_over_all_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many partitions with few rows each: the fullest is written when all together hold too much."""
    monkeypatch.setattr(archive_parts, "HELD_BYTES", 500)
    writer = PartWriter(tmp_path, ORIGIN)
    fill(writer, [record(offset, partition=offset % 50) for offset in range(50)])
    assert len(list(tmp_path.iterdir())) >= 50 * record().size // 500 - 1


def test_a_folder_of_another_topic_or_kind_is_refused(tmp_path: Path) -> None:
    """Two topics in one folder would be indistinguishable by offset; other tables are left alone."""
    assert covered(tmp_path / "new", ORIGIN) == {}
    writer = PartWriter(tmp_path / "archive", ORIGIN)
    fill(writer, [record()])
    writer.flush()
    with pytest.raises(InputDataError, match="holds an archive of the topic 'texts'"):
        covered(tmp_path / "archive", Origin("other", "id-2"))
    with pytest.raises(InputDataError, match="an older topic 'texts', which has been deleted and created again"):
        covered(tmp_path / "archive", Origin("texts", "id-2"))
    pq.write_table(
        pq.read_table(tmp_path / "archive").replace_schema_metadata(), tmp_path / "archive" / "w.parquet"
    )
    with pytest.raises(InputDataError, match=r"w\.parquet is not part of an archive"):
        covered(tmp_path / "archive", ORIGIN)
    (tmp_path / "archive" / "w.parquet").unlink()
    (tmp_path / "archive" / "x.parquet").write_bytes(b"x")
    with pytest.raises(InputDataError, match=r"x\.parquet is not part of an archive"):
        covered(tmp_path / "archive", ORIGIN)


def test_a_labelled_archive_trains(tmp_path: Path) -> None:
    """The folder and a file of ids and labels are a data set; rows without text are left out."""
    writer = PartWriter(tmp_path / "archive", ORIGIN)
    fill(writer, [record(0), record(1, None), record(2, b'{"id": "own", "text": "bad"}'), record(3)])
    writer.flush()
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\ntexts-2-0,positive\nown,negative\ntexts-2-1,negative\n", encoding="utf-8")
    found = read_examples(tmp_path / "archive", labels=labels)
    assert found.ids == ("texts-2-0", "own")
    assert found.texts == ("fine", "bad")


VALUES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.builds(
        lambda text, extra: json.dumps({"text": text, **extra}, ensure_ascii=False).encode(errors="replace"),
        st.text(),
        st.dictionaries(
            st.sampled_from(["id", "created_at", "source", "x"]),
            st.none() | st.integers() | st.floats() | st.text() | st.datetimes().map(str) | st.sampled_from(ODD),
        ),
    ),
    st.sampled_from(
        [
            b'{"text":"a","id":' + b"9" * 4_301 + b"}",
            b'{"text":"a","x":-' + b"9" * 4_301 + b"}",
            b'{"text":"a","x":' + b"[" * 198 + b"]" * 198 + b"}",
            b'{"text":"a","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
            b'\xef\xbb\xbf{"text":"a"}',
            b'{"text":"a","x":1e999}',
            b'{"text":"a","text":"b","source":1,"source":"\\u0000"}',
            b'{"text":"\\ud83d"}',
        ]
    ),
)


@given(
    value=VALUES,
    key=st.none() | st.binary(max_size=5),
    headers=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.binary())),
    timestamp_ms=st.none() | st.integers(-(2**63), 2**63 - 1),
    kind=st.sampled_from(["json", "text"]),
)
def test_no_record_is_too_odd_for_a_row(
    value: bytes | None,
    key: bytes | None,
    headers: list[tuple[str, bytes | None]],
    timestamp_ms: int | None,
    kind: Literal["json", "text"],
) -> None:
    """Any value, key, headers and time: one row, byte for byte, with a text exactly if the consumer sees one."""
    form = InputFormat(kind=kind)
    row = archive_row(ArchivedRecord("texts", 0, 0, timestamp_ms, key, tuple(headers), value), form)
    table = pa.Table.from_pylist([row], schema=SCHEMA)
    held = {name: table.column(name).to_pylist()[0] for name in ("key", "headers", "value", "text", "error")}
    assert (held["key"], held["value"]) == (key, value)
    assert [(header["name"], header["value"]) for header in held["headers"]] == headers
    assert table.column("timestamp").cast(pa.int64()).to_pylist() == [timestamp_ms]
    try:
        text, error = parse_input(value, form).text, None
    except BadRecord as reason:
        text, error = None, str(reason)
    assert (held["text"], held["error"]) == (text, error)


@pytest.mark.parametrize(
    "both", [{"from_offset": 1, "from_time_ms": 1}, {"to_offset": 1, "to_time_ms": 1}, {"last": 1, "to_offset": 1}]
)
def test_two_starts_or_two_ends_are_refused(both: dict[str, int]) -> None:
    """One start and one end, or --last alone."""
    with pytest.raises(SettingsError, match="give one start and one end"):
        Selection(**both)
