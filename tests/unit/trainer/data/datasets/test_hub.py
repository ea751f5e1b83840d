"""A folder in the layout of the hub becomes the rows that `fetch` writes, and what is wrong with it is named.

A data set of the hub is read by the same code once its files are here;
tests/integration/training/test_fetch_from_hub.py fetches one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from structlog.testing import capture_logs

from shared.errors import InputDataError
from trainer.data.datasets import Choice, find_dataset
from trainer.data.readers import DEFAULT_COLUMNS, ColumnNames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainer.data.examples import Examples

ROWS: list[dict[str, Any]] = [
    {"text": "so good, really", "label": "positive"},
    {"text": 'he said "no"\nand left', "label": "negative"},
    {"text": "it is a table", "label": "neutral"},
]
NUMBERED: list[dict[str, Any]] = [
    {"text": "so good", "label": 1},
    {"text": "so bad", "label": 0},
    {"text": "a secret", "label": -1},
]
NAMES_OF_LABELS = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': sad
          '1': glad
---
"""
TWO_SUBSETS = """---
configs:
- config_name: en
  data_files: en.jsonl
- config_name: de
  data_files: de.jsonl
---
"""


def folder(path: Path, files: Mapping[str, list[dict[str, Any]]], card: str = "") -> Path:
    """Writes JSON lines, and the card of the data set."""
    path.mkdir(exist_ok=True)
    for name, rows in files.items():
        (path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if card:
        (path / "README.md").write_text(card, encoding="utf-8")
    return path


def load(
    place: Path,
    columns: ColumnNames = DEFAULT_COLUMNS,
    *,
    subset: str | None = None,
    split: str | None = None,
    revision: str | None = None,
) -> Examples:
    """Loads a folder with a cache next to it."""
    dataset = find_dataset(f"hf:{place}", columns, choice=Choice(subset=subset, split=split, revision=revision))
    return dataset.load(place.parent / "cache")


def labels(examples: Examples) -> list[str]:
    """The name of the label of each row."""
    return [examples.label_names[label] for label in examples.labels]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_examples(tmp_path: Path, kind: str) -> None:
    """CSV with quotes and line breaks, JSON lines and Parquet; ids are made of folder, split and row."""
    place = tmp_path / "reviews"
    place.mkdir()
    if kind == "csv":
        quoted = '"so good, really",positive\n"he said ""no""\nand left",negative\nit is a table,neutral\n'
        (place / "train.csv").write_text("text,label\n" + quoted, encoding="utf-8")
    elif kind == "jsonl":
        folder(place, {"train.jsonl": ROWS})
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), place / "train.parquet")
    found = load(place)
    assert found.texts == tuple(row["text"] for row in ROWS)
    assert labels(found) == ["positive", "negative", "neutral"]
    assert found.label_names == ("negative", "neutral", "positive")
    assert found.ids == ("reviews/train-1", "reviews/train-2", "reviews/train-3")
    assert found.source == "reviews/train"


def test_numbers_take_their_names_from_the_card(tmp_path: Path) -> None:
    """-1 has no name: such a row is unlabelled, is left out, and is counted."""
    place = folder(tmp_path / "reviews", {"train.jsonl": NUMBERED}, NAMES_OF_LABELS)
    with capture_logs() as lines:
        found = load(place)
    assert labels(found) == ["glad", "sad"]
    counted = next(line for line in lines if line["event"] == "data_read")
    assert (counted["rows"], counted["usable"]) == (3, 2)
    assert counted["left_out"] == {"with the label -1, which hides it in the source": 1}


def test_numbers_take_their_names_from_a_parquet_file(tmp_path: Path) -> None:
    """`push_to_hub` writes the names into the file's own schema."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["sad", "glad"])})
    place = tmp_path / "reviews"
    place.mkdir()
    Dataset.from_list(NUMBERED[:2], features=features).to_parquet(place / "train.parquet")
    assert labels(load(place)) == ["glad", "sad"]


def test_numbers_without_names_stay_numbers(tmp_path: Path) -> None:
    """Then -1 is a label like any other, as in ratings from -1 to 1."""
    found = load(folder(tmp_path / "reviews", {"train.jsonl": NUMBERED}))
    assert found.label_names == ("-1", "0", "1")
    assert labels(found) == ["1", "0", "-1"]


@pytest.mark.parametrize("card", ["", NAMES_OF_LABELS])
def test_a_split_without_labels_is_refused(tmp_path: Path, card: str) -> None:
    """-1 in every row, with names and without: the hub's test parts are often like this."""
    hidden = [{"text": f"secret {number}", "label": -1} for number in range(4)]
    place = folder(tmp_path / "reviews", {"train.jsonl": NUMBERED, "test.jsonl": hidden}, card)
    with pytest.raises(InputDataError, match=r"split 'test' of hf:.* has no labels \(4 rows\); .* --split"):
        load(place, split="test")


def test_a_label_beyond_its_names_is_refused(tmp_path: Path) -> None:
    """Two names cannot serve label 2."""
    place = tmp_path / "reviews"
    place.mkdir()
    features = Features({"text": Value("string"), "label": ClassLabel(names=["sad", "glad"])})
    named = Dataset.from_list(NUMBERED[:2], features=features).data.table.schema.metadata
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())], metadata=named)
    pq.write_table(pa.table({"text": ["x"], "label": [2]}, schema=schema), place / "train.parquet")
    with pytest.raises(InputDataError, match="label 2 has no name; named are 0 to 1"):
        load(place)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"body": "x", "label": "a"},
            "has no column 'text'; columns found: body, label; choose with --text-column",
        ),
        (
            {"text": "x", "mood": "a"},
            "has no column 'label'; columns found: mood, text; choose with --label-column",
        ),
        ({"body": "x", "mood": "a"}, "has no column 'text'; columns found: body, mood"),
        (
            {"text": 5, "label": "a"},
            "no row has both a text and a label; left out: 1 with a text that is a number",
        ),
        (
            {"text": "x", "label": ["a", "b"]},
            "no row has both a text and a label; left out: 1 with several labels",
        ),
    ],
)
def test_a_missing_or_unfit_column_is_named(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    """With the columns that there are, and the option that chooses another."""
    with pytest.raises(InputDataError, match=f"split 'train' of hf:.*{says}"):
        load(folder(tmp_path / "reviews", {"train.jsonl": [row]}))


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    """Those of the options; an id and a time are kept."""
    rows = [
        {"tweet": "yes", "mood": "up", "key": 7, "at": "2026-01-01T00:00:00Z"},
        {"tweet": "no", "mood": "down", "key": 8, "at": "2026-01-02T00:00:00Z"},
    ]
    place = folder(tmp_path / "reviews", {"train.jsonl": rows})
    found = load(place, ColumnNames(text="tweet", label="mood", id="key", time="at"))
    assert (found.texts, found.ids, labels(found)) == (("yes", "no"), ("7", "8"), ["up", "down"])
    assert found.created_at is not None
    assert found.created_at.tolist() == [1767225600000, 1767312000000]


def test_train_is_taken_of_several_splits_and_the_others_are_named(tmp_path: Path) -> None:
    """A log line says which split is taken; --split takes another, whose rows have other ids."""
    place = folder(tmp_path / "reviews", {"train.jsonl": ROWS, "test.jsonl": ROWS[:2]})
    with capture_logs() as lines:
        assert len(load(place)) == 3
    said = next(line for line in lines if line["event"] == "hub_dataset")
    assert (said["split"], sorted(said["splits"])) == ("train", ["test", "train"])
    found = load(place, split="test")
    assert found.ids == ("reviews/test-1", "reviews/test-2")


def test_the_only_split_is_taken_whatever_its_name(tmp_path: Path) -> None:
    """A folder with a test part only."""
    assert load(folder(tmp_path / "reviews", {"test.jsonl": ROWS})).source == "reviews/test"


def test_a_split_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    """Also `train`, if it is missing and there are several others."""
    place = folder(tmp_path / "reviews", {"validation.jsonl": ROWS, "test.jsonl": ROWS})
    with pytest.raises(InputDataError, match=r"no split 'train'; splits found: \w+, \w+; choose with --split"):
        load(place)
    with pytest.raises(InputDataError, match="no split 'dev'"):
        load(place, split="dev")


def test_one_of_several_subsets_must_be_chosen(tmp_path: Path) -> None:
    """Without --subset, or with an unknown one, the message lists them; no text of another subset is read."""
    place = folder(tmp_path / "reviews", {"en.jsonl": ROWS, "de.jsonl": ROWS[:1]}, TWO_SUBSETS)
    for subset in (None, "fr"):
        with pytest.raises(InputDataError, match=r"cannot read hf:.*\['en', 'de'\]; choose with --subset"):
            load(place, subset=subset)
    assert load(place, subset="de").ids == ("reviews/de/train-1",)


def test_a_folder_that_changed_is_read_anew(tmp_path: Path) -> None:
    """The tables made of a folder are not kept: nothing is left of them in the cache."""
    place = folder(tmp_path / "reviews", {"train.jsonl": ROWS})
    assert len(load(place)) == 3
    folder(place, {"train.jsonl": ROWS[:2]})
    assert len(load(place)) == 2
    assert list((tmp_path / "cache" / "hub").iterdir()) == []


def test_files_that_do_not_make_one_table_are_refused_without_quoting_them(tmp_path: Path) -> None:
    """Other columns in the second file; and a text where numbers were."""
    columns = folder(tmp_path / "columns", {"train-0.jsonl": ROWS, "train-1.jsonl": [{"words": "x"}]})
    broken = folder(tmp_path / "broken", {})
    (broken / "train.jsonl").write_text('{"text": "private words", "label": }\n', encoding="utf-8")
    for place in (columns, broken):
        with pytest.raises(InputDataError, match="its files do not make one table") as caught:
            load(place)
        assert "private" not in str(caught.value)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    """Nothing at all; a script, which is not run; and a kind of file that has no labels."""
    with pytest.raises(InputDataError, match="it holds no files of data"):
        load(folder(tmp_path / "empty", {}))
    scripted = folder(tmp_path / "scripted", {"train.jsonl": ROWS})
    (scripted / "scripted.py").write_text("raise SystemExit('was run')\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="no code of a data set is run"):
        load(scripted)
    texts = folder(tmp_path / "texts", {})
    (texts / "train.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="files of the kind 'text'; CSV, JSON, Parquet and Arrow can be read"):
        load(texts)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:", "names no data set; write hf:OWNER/NAME"),
        ("hf:imdb", "names no data set"),
        ("hf:owner/name/more", "names no data set"),
        ("hf:owner/..", "names no data set"),
        ("hf:./nowhere", "nowhere is not a folder"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, says: str) -> None:
    """Before anything is asked of the hub."""
    with pytest.raises(InputDataError, match=says):
        find_dataset(name)


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    """The option would have no effect."""
    with pytest.raises(InputDataError, match="is a folder, which has no --revision"):
        load(folder(tmp_path / "reviews", {"train.jsonl": ROWS}), revision="main")


def test_a_folder_called_like_a_data_set_of_the_hub_does_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hf:owner/name is the hub's, whatever lies in the working folder; hf:./owner/name is the folder."""
    (tmp_path / "owner").mkdir()
    folder(tmp_path / "owner" / "name", {"train.jsonl": ROWS})
    monkeypatch.chdir(tmp_path)
    assert find_dataset("hf:owner/name").about == "a data set of the Hugging Face hub"
    assert len(find_dataset("hf:./owner/name").load(tmp_path / "cache")) == 3
