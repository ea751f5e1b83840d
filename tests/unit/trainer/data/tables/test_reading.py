"""Options, encodings, paths and errors of reading, beyond the table of inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import InputDataError, SettingsError
from trainer.data.readers import read_examples
from trainer.data.tables import ReadOptions, read_batches, read_columns, read_options
from trainer.data.tables.options import BATCH_ROWS
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

WANTED = ("text", "label")


def table(path: Path, content: str | bytes, **options: Any) -> list[tuple[Any, ...]]:
    """Texts and labels of a file with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_columns(path, WANTED, ReadOptions(**options))
    return list(zip(found["text"], found["label"], strict=True))


def test_values_of_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    """No number, truth value, date or missing value is made of a text; spaces stay."""
    values = ["007", "1.0", "true", "NA", "NULL", "nan", "2020-01-02", " x ", "1e5", "\\N", "0x10"]
    content = "text,label\n" + "".join(f"{value},a\n" for value in values)
    assert table(tmp_path / "d.csv", content, escape="double") == [(value, "a") for value in values]


def test_json_keeps_its_types(tmp_path: Path) -> None:
    """Numbers, truth values, lists and null."""
    rows = [("a", 1), ("b", 1.5), ("c", True), ("d", None), ("e", ["x"])]
    content = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    assert table(tmp_path / "d.txt", content) == rows


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-16-be"])
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_encodings_are_found_or_given(tmp_path: Path, encoding: str, kind: str) -> None:
    """A byte order mark, zeros of UTF-16, the look of a Western language; JSON is Unicode, or needs the option."""
    text = "très bien, l'été à la plage était super \u2019" if encoding == "cp1252" else "très bien à la plage"
    content = (
        f"text;label\n{text};pos\n"
        if kind == "csv"
        else json.dumps({"text": text, "label": "pos"}, ensure_ascii=False)
    )
    given = {"encoding": encoding} if kind == "json" and encoding in {"latin-1", "cp1252"} else {}
    assert table(tmp_path / "d", content.encode(encoding), **given) == [(text, "pos")]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"text,label\nok,a\n\xff\xfe\xfd\n", {"encoding": "utf-8"}, "line 3: not UTF-8, as --encoding says"),
        (b"text,label\nok,a\n", {"encoding": "klingon"}, "encoding 'klingon' is not known"),
        ("text,label\n" + "é,a\n" * 9, {"encoding": "utf-16"}, "not UTF-16, as --encoding says"),
        (
            ("text,label\n" + "é,a\n" * 9).encode() + b"\xe9,a\n",
            {},
            "line 11: not UTF-8 .9 of 10 lines that are not",
        ),
        ('text,label\n"a secret,b\nc,d\n', {}, "line 2, column 1: not valid CSV: the quote that opens here"),
        ('text,label\na,b\n"se"cret,b\n', {}, "line 3, column 4: not valid CSV: a quote closes a field here"),
        ("text,label\na,b\nsecret,b,c\n", {}, "line 3, column 10: not 2 fields as in the header but 3"),
        ("text,label\na,b\nsecret\n", {}, "line 3, column 7: not 2 fields as in the header but 1"),
        ('text,label\n"a\n\nb",c\nsecret\n', {}, "line 5, column 7: not 2 fields"),
        ("text,text\na,secret\n", {}, "the header has text more than once"),
        ("a secret,x\nb,y\n", {"columns": ("a", "b", "c")}, "2 fields, not 3 as --columns says"),
        ("text,label\na,b\n", {"columns": ("x", "y")}, "it seems to be a header"),
        (
            "secret tweet,a\nb,a\n",
            {},
            "no header .2 columns, delimiter ','.; .*--columns label,text, or say --header",
        ),
        ("text,label\nsecret,a\n", {"header": "no"}, "has no header, as --header says"),
        ('[{"text": "secret"}, {"text" "x"}]', {}, "line 1, column 30: not JSON: Expecting ':' delimiter"),
        ('[{"text": "secret"},\n  5]', {}, "line 2, column 3: a number, not an object"),
        ('[{"text": "secret"}', {}, "line 1, column 20: not JSON: expected , or ]"),
        ('{"text": "secret"}\n{"text": \n', {}, "line 2, column 9: not JSON: Expecting value"),
        ('{"text": "secret"}\n[1]\n', {}, "line 2: an array of 1, not an object"),
        ('{"a": [{"b": "secret"}], "c": [{"d": 1}]}', {}, "arrays of objects at a, c"),
    ],
)
def test_faults_have_a_place_and_no_text(tmp_path: Path, content: str | bytes, options: Any, says: str) -> None:
    """Line and column, counted from 1, of the first fault."""
    with pytest.raises(InputDataError, match=says) as refused:
        table(tmp_path / "d", content, **options)
    assert "secret" not in str(refused.value)


def test_columns_are_named_for_a_file_without_header_or_instead_of_it(tmp_path: Path) -> None:
    """A column without a name is left out, and with --header yes the first row is."""
    content = "1,x,good,pos\n2,y,bad,neg\n"
    assert table(tmp_path / "d", content, columns=("", "", "text", "label")) == [("good", "pos"), ("bad", "neg")]
    renamed = table(tmp_path / "d", "a,b\ngood,pos\n", columns=WANTED, header="yes")
    assert renamed == [("good", "pos")]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("data.text", ["a", "b", None]),
        ("`data.text`", ["dotted", None, None]),
        ("data.full, data.text", ["a", "long", None]),
        ("title + data.text", ["t a", "b", None]),
        ("inner.text", ["in", None, None]),
    ],
)
def test_a_column_is_a_path(tmp_path: Path, spec: str, expected: list[Any]) -> None:
    """As in topics: into objects and strings of JSON, quoted, with choices, joined."""
    rows = [
        {"data": {"text": "a"}, "title": "t", "data.text": "dotted", "inner": '{"text": "in"}'},
        {"data": {"text": "b", "full": "long"}},
        {"other": 1},
    ]
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_columns(path, [spec])[spec] == expected
    assert [value for batch in read_batches(path, [spec]) for value in batch[spec]] == expected


def test_a_path_into_a_file_of_csv_needs_quotes(tmp_path: Path) -> None:
    """The error writes the names as one has to."""
    path = tmp_path / "d.csv"
    path.write_text("data.text,label\na,b\n", encoding="utf-8")
    assert read_columns(path, ["`data.text`"])["`data.text`"] == ["a"]
    assert "`data.text`" in read_columns(path, ["data.text", "label"])


def test_a_path_that_leads_nowhere_says_which_step(tmp_path: Path) -> None:
    """With names of fields, not values."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"data": {"body": "secret"}}\n' * 2, encoding="utf-8")
    with pytest.raises(InputDataError, match=r"no row has data\.text: data is an object with the fields body"):
        read_columns(path, ["data.text"])


def test_what_was_guessed_is_said_in_one_line(tmp_path: Path) -> None:
    """As in the docs."""
    with structlog.testing.capture_logs() as logs:
        table(tmp_path / "d", "très bien;pos\nmal;neg\n".encode("latin-1"), columns=WANTED)
    assert [line["read_as"] for line in logs] == ["CSV, ';', ISO 8859-1, no header"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"delimiter": "::"}, "one character"),
        ({"delimiter": '"'}, "neither a quote nor a line break"),
        ({"quote": "''"}, "one character, or the word none"),
        ({"escape": "quoted"}, "double, one character"),
        ({"columns": "a,b,a"}, "occurs twice"),
        ({"columns": " , "}, "names with commas"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, str], says: str) -> None:
    """With the setting's name."""
    with pytest.raises(SettingsError, match=says):
        read_options(TrainerSettings(**given))


def test_options_have_words_for_what_a_shell_makes_hard() -> None:
    """tab, none."""
    found = read_options(TrainerSettings(delimiter="tab", quote="none", columns="a,,b"))
    assert (found.delimiter, found.quote, found.columns) == ("\t", "", ("a", "", "b"))


def test_hive_columns_and_parts_are_joined(tmp_path: Path) -> None:
    """The value of a folder's name is decoded, and Hive's mark of no value is none."""
    for name, text in (("label=very%20good", "a"), ("label=__HIVE_DEFAULT_PARTITION__", "b")):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "part-0.csv").write_text(f"text\n{text}\n", encoding="utf-8")
    (tmp_path / "out" / "_SUCCESS").touch()
    found = read_columns(tmp_path / "out", WANTED)
    assert sorted(zip(found["text"], found["label"], strict=True), key=str) == [("a", "very good"), ("b", None)]


def test_parts_of_several_formats_or_headers_are_refused(tmp_path: Path) -> None:
    """Two tables in one folder would be mixed up."""
    (tmp_path / "a.csv").write_text("text,label\na,b\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(InputDataError, match="several formats"):
        read_columns(tmp_path, WANTED)
    (tmp_path / "b.jsonl").unlink()
    (tmp_path / "c.csv").write_text("label,text\nb,a\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="its header is not that of"):
        read_columns(tmp_path, WANTED)


def test_numbers_of_lines_of_texts_and_labels_have_to_agree(tmp_path: Path) -> None:
    """One line too few would shift all labels."""
    (tmp_path / "t.txt").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "l.txt").write_text("1\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"has 2 lines and .* has 1"):
        read_examples(tmp_path / "t.txt", labels=tmp_path / "l.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pandas.csv", ",text,label\n0,good,pos\n1,bad,neg\n"),
        ("excel.csv", "text,label,\r\ngood,pos,\r\nbad,neg,\r\n"),
        ("sep.csv", "sep=;\r\ntext;label\r\ngood;pos\r\nbad;neg\r\n"),
        ("T.TSV", "text\tlabel\ngood\tpos\nbad\tneg\n"),
        ("bars.CSV", "text|label\ngood|pos\nbad|neg\n"),
        ("lines.json", '{"text": "good", "label": "pos"}\n\n{"text": "bad", "label": "neg"}'),
        ("quotes.csv", "'text';'label'\n'good';'pos'\n'bad';'neg'\n"),
    ],
)
def test_usual_files_need_no_option(tmp_path: Path, name: str, content: str) -> None:
    """The index of pandas, Excel's empty last column and sep= line, tabs, bars, misleading suffixes."""
    assert table(tmp_path / name, content) == [("good", "pos"), ("bad", "neg")]


def test_the_label_of_parquet_may_be_the_name_of_its_folder(tmp_path: Path) -> None:
    """Spark's partitionBy."""
    for label in ("neg", "pos"):
        folder = tmp_path / "out" / f"label={label}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": [f"{label} text"]}), folder / "part-00000.parquet")
        (folder / ".part-00000.parquet.crc").write_bytes(b"crc")
    (tmp_path / "out" / "_SUCCESS").touch()
    found = read_columns(tmp_path / "out", WANTED)
    assert (found["text"], found["label"]) == (["neg text", "pos text"], ["neg", "pos"])


@pytest.mark.parametrize("kind", ["csv", "json", "fasttext", "parquet"])
def test_no_row_is_lost_between_batches(tmp_path: Path, kind: str) -> None:
    """More rows than a batch has, in the order of the file; blank lines are no rows."""
    rows = [(f"text {number}", str(number % 3)) for number in range(BATCH_ROWS + 5)]
    content = {
        "csv": "text,label\n\n" + "".join(f"{text},{label}\n" for text, label in rows),
        "json": "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows),
        "fasttext": "".join(f"__label__{label} {text}\n\n" for text, label in rows),
    }
    if kind == "parquet":
        texts, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "d")
    else:
        (tmp_path / "d").write_text(content[kind], encoding="utf-8")
    found = read_columns(tmp_path / "d", WANTED)
    assert list(zip(found["text"], found["label"], strict=True)) == rows
    batches = list(read_batches(tmp_path / "d", WANTED))
    assert [text for batch in batches for text in batch["text"]] == [text for text, _ in rows]
    assert max(len(batch["text"]) for batch in batches) <= BATCH_ROWS


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(["text", "label", "x"]), TREES, max_size=3), min_size=1, max_size=5
    )
)
def test_json_is_read_alike_in_every_layout(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """A line each, an array, an array over many lines, under a field, one after another over many lines."""
    rows = [row | {"id": 1} for row in rows]  # {} is in one line in every layout
    layouts = {
        "lines": "".join(json.dumps(row) + "\n" for row in rows),
        "array": json.dumps(rows),
        "pretty": json.dumps(rows, indent=2, ensure_ascii=False),
        "after": "\n".join(json.dumps(row, indent=1) for row in rows),
    }
    expected = [row.get("text") for row in rows]
    for name, content in layouts.items():
        (tmp_path / name).write_text(content, encoding="utf-8", errors="surrogatepass")
        if len(rows) == 1 and "text" not in rows[0]:
            continue  # one object without the field may hold the rows
        found = read_columns(tmp_path / name, ["text"])
        assert (found.get("text") or [None] * len(rows)) == expected
