"""Names of labels from the metadata of Parquet files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.data.labels.class_names import class_names
from trainer.data.readers import read_examples

if TYPE_CHECKING:
    from pathlib import Path

CLASS: dict[str, Any] = {"names": ["bad", "good"], "_type": "ClassLabel"}


def written(path: Path, labels: list[Any], feature: object, column: str = "label") -> Path:
    """A Parquet file with the metadata that the `datasets` library writes."""
    table = pa.table({"text": [f"text {row}" for row in range(len(labels))], column: labels})
    about = json.dumps({"info": {"features": {column: feature}}}) if isinstance(feature, dict) else str(feature)
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path)
    return path


def test_numbers_have_the_names_of_the_file(tmp_path: Path) -> None:
    """In a file and in a folder of files; hidden labels are left out and counted."""
    found = read_examples(written(tmp_path / "train.parquet", [0, 1, -1, 1], CLASS))
    assert found.label_names == ("bad", "good")
    assert found.report.left_out == {"with the label -1, which hides it in the source": 1}
    written(tmp_path / "folder" / "part-0.parquet", [0, 1], CLASS)
    assert read_examples(tmp_path / "folder").label_names == ("bad", "good")


def test_a_column_of_lists_has_names_too(tmp_path: Path) -> None:
    """`labels`, as in data sets with several labels for a text."""
    feature = {"feature": CLASS, "_type": "List"}
    found = read_examples(written(tmp_path / "d.parquet", [[0], [1], [0, 1], []], feature, "labels"))
    assert found.counts() == {"bad": 1, "good": 1}
    assert found.report.left_out == {"with several labels": 1, "without a label": 1}


@pytest.mark.parametrize("feature", ["not JSON", "[]", "null", {"dtype": "int64", "_type": "Value"}, {"_type": 5}])
def test_other_metadata_are_no_names(tmp_path: Path, feature: object) -> None:
    """Nor are those of another column, of a CSV, of no file."""
    assert class_names(written(tmp_path / "d.parquet", [0, 1], feature), "label") is None
    assert class_names(tmp_path / "d.parquet", "text") is None
    (tmp_path / "d.csv").write_text("text,label\n", encoding="utf-8")
    assert class_names(tmp_path / "d.csv", "label") is None
    assert class_names(tmp_path / "none.parquet", "label") is None
