"""All formats give the same data set, and invalid input is refused with a clear line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import InputDataError
from trainer.data.examples import write_examples
from trainer.data.readers import ColumnNames, read_examples

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "so good, really", "label": "positive"},
    {"id": "b", "text": 'he said "no"\nand left', "label": "negative"},
    {"id": "c", "text": "it is a table", "label": "neutral"},
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes one object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes a table with the types that Arrow infers."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def csv_file(path: Path, text: str) -> Path:
    """Writes the text unchanged."""
    path.write_text(text, encoding="utf-8")
    return path


def test_every_format_gives_the_same_examples(tmp_path: Path) -> None:
    """CSV with quotes and line breaks, JSONL, Parquet and a folder of Parquet files."""
    (tmp_path / "folder").mkdir()
    parquet(tmp_path / "folder" / "part-0.parquet", ROWS[:1])
    parquet(tmp_path / "folder" / "part-1.parquet", ROWS[1:])
    quoted = 'a,"so good, really",positive\nb,"he said ""no""\nand left",negative\nc,it is a table,neutral\n'
    for path in (
        csv_file(tmp_path / "d.csv", "id,text,label\n" + quoted),
        jsonl(tmp_path / "d.jsonl", ROWS),
        parquet(tmp_path / "d.parquet", ROWS),
        tmp_path / "folder",
    ):
        found = read_examples(path)
        assert found.texts == tuple(row["text"] for row in ROWS)
        assert found.ids == ("a", "b", "c")
        assert found.label_names == ("negative", "neutral", "positive")
        assert found.labels.tolist() == [2, 0, 1]


def test_written_examples_are_read_back_equal(tmp_path: Path) -> None:
    """The project's own schema survives a round trip, times included."""
    rows = [row | {"created_at": f"2026-01-0{day}T00:00:00Z"} for day, row in enumerate(ROWS, 1)]
    before = read_examples(jsonl(tmp_path / "d.jsonl", rows))
    write_examples(before, tmp_path / "out" / "d.parquet")
    after = read_examples(tmp_path / "out" / "d.parquet")
    assert after.fingerprint() == before.fingerprint()
    assert after.created_at is not None
    assert after.created_at.tolist() == [1767225600000, 1767312000000, 1767398400000]


def test_numbers_take_their_names_from_label_name(tmp_path: Path) -> None:
    """Integer labels with names become the names; without names they are numbers in numeric order."""
    named = [{"text": "x", "label": 1, "label_name": "joy"}, {"text": "y", "label": 0, "label_name": "anger"}]
    assert read_examples(jsonl(tmp_path / "n.jsonl", named)).label_names == ("anger", "joy")
    bare = [{"text": f"t{number}", "label": number} for number in (10, 9, 1)]
    assert read_examples(jsonl(tmp_path / "b.jsonl", bare)).label_names == ("1", "9", "10")


def test_labels_of_their_own_file_are_joined_by_id(tmp_path: Path) -> None:
    """Rows without a label are left out; labels without a row are ignored."""
    data = jsonl(tmp_path / "d.jsonl", [{"id": row["id"], "text": row["text"]} for row in ROWS])
    labels = csv_file(tmp_path / "l.csv", "id,label\nc,neutral\na,positive\nz,negative\n")
    found = read_examples(data, labels=labels)
    assert found.ids == ("a", "c")
    assert found.label_names == ("neutral", "positive")


def test_an_id_labelled_by_several_people_has_the_label_of_the_majority(tmp_path: Path) -> None:
    """A tie leaves the row out, and is counted as one."""
    data = jsonl(tmp_path / "d.jsonl", ROWS)
    lines = ["a,", "a,positive", "a,positive", "a,neutral", "b,negative", "b,neutral", "c,nan", "c,neutral"]
    found = read_examples(data, labels=csv_file(tmp_path / "l.csv", "\n".join(["id,label", *lines, ""])))
    assert found.ids == ("a", "c")
    assert found.label_names == ("neutral", "positive")
    assert found.report.left_out == {"with annotators who disagree": 1}


def test_labels_for_other_rows_are_refused(tmp_path: Path) -> None:
    """Not one common id: the files do not belong together."""
    data = jsonl(tmp_path / "d.jsonl", ROWS)
    with pytest.raises(InputDataError, match=r"no id of .* occurs in the data"):
        read_examples(data, labels=csv_file(tmp_path / "l.csv", "id,label\nx,positive\n"))


def test_rows_without_text_or_label_are_left_out(tmp_path: Path) -> None:
    """As in an archive: text is null if a record could not be read."""
    rows = [*ROWS, {"id": "d", "text": None, "label": "neutral"}, {"id": "e", "text": " ", "label": "neutral"}]
    rows.append({"id": "f", "text": "unlabelled", "label": None})
    assert read_examples(jsonl(tmp_path / "d.jsonl", rows)).ids == ("a", "b", "c")


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    """--text-column, --label-column and --id-column."""
    path = csv_file(tmp_path / "d.csv", "tweet,mood,key\nyes,up,1\nno,down,2\n")
    found = read_examples(path, ColumnNames(text="tweet", label="mood", id="key"))
    assert (found.texts, found.ids, found.label_names) == (("yes", "no"), ("1", "2"), ("down", "up"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,body,label\n1,x,a\n", "no column 'text'; columns found: body, id, label; choose with --text-column"),
        ("id,text\n1,x\n", "no column 'label'"),
        ("id,text,label\n", "holds no rows"),
        ("", "holds no rows"),
        (
            "text,label\nx,Positive\ny,positive\n",
            r"several spellings: 'Positive' \(1\), 'positive' \(1\); make them one with",
        ),
        ("text,label\nx,a,b\n", "line 2, column [25]: not 2 fields"),
        ("text,label\nx\n", "line 2, column [25]: not 2 fields"),
        ("text,label\nx,\n", "no row has both a text and a label"),
    ],
)
def test_csv_faults_are_named(tmp_path: Path, content: str, says: str) -> None:
    """Missing columns with those found, no rows, one label in two spellings, ragged lines."""
    with pytest.raises(InputDataError, match=says):
        read_examples(csv_file(tmp_path / "d.csv", content))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": 5, "label": "a"}, "left out: 1 with a text that is a number"),
        ({"text": "x", "label": {"a": 1}}, "left out: 1 with a label that is an object"),
        ({"text": "x", "label": 0.5}, "the labels are 1 different numbers from 0.5 to 0.5, a scale"),
    ],
)
def test_values_of_a_wrong_type_are_named(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    """Texts of another type, labels that are none."""
    with pytest.raises(InputDataError, match=says):
        read_examples(jsonl(tmp_path / "d.jsonl", [row]))


def test_a_number_named_in_two_ways_is_refused(tmp_path: Path) -> None:
    """Label 0 cannot be both anger and joy."""
    rows = [{"text": "x", "label": 0, "label_name": "joy"}, {"text": "y", "label": 0, "label_name": "anger"}]
    with pytest.raises(InputDataError, match="'0' is named in 2 ways by label_name: 'anger', 'joy'"):
        read_examples(jsonl(tmp_path / "d.jsonl", rows))


def test_faults_never_quote_a_text(tmp_path: Path) -> None:
    """The error gives the number of a broken line of JSON."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "secret words", "label": }\n', encoding="utf-8")
    with pytest.raises(InputDataError, match="line 1, column 35: not JSON") as caught:
        read_examples(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "data.xlsx", "empty"])
def test_unreadable_files_are_refused(tmp_path: Path, name: str) -> None:
    """A missing path, an unknown kind, or a folder without Parquet files."""
    (tmp_path / "data.xlsx").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputDataError):
        read_examples(tmp_path / name)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A file with the name .parquet and other content."""
    (tmp_path / "d.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(InputDataError, match="not a readable Parquet file"):
        read_examples(tmp_path / "d.parquet")


def test_columns_of_exports_are_no_header_and_no_example(tmp_path: Path) -> None:
    """A file without a header whose cells are named like columns of labelling tools is refused without a cell."""
    data = tmp_path / "data.csv"
    data.write_text("accept,answer,secret words one\nreject,skip,secret words two\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="seems to have no header") as caught:
        read_examples(data)
    assert "--columns label,text,created_at" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_source_of_each_row_is_read_and_written(tmp_path: Path) -> None:
    """Rows without one have none that is known; a `source` that is a record, as in results, is not one."""
    sources = ("shop", None, 7)
    rows = [row | {"from": source} for row, source in zip(ROWS, sources, strict=True)]
    found = read_examples(jsonl(tmp_path / "a.jsonl", rows), ColumnNames(source="from"))
    assert found.sources == ("shop", "not known", "7")
    assert found.take(np.array([2])).sources == ("7",)
    write_examples(found, tmp_path / "b.parquet")
    assert read_examples(tmp_path / "b.parquet").sources == found.sources
    results = jsonl(tmp_path / "c.jsonl", [row | {"source": {"topic": "texts", "offset": 1}} for row in ROWS])
    assert read_examples(results).sources is None
