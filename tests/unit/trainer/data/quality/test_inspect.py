"""The whole report: complete, without texts unless they are asked for, and the same each time."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from tests.unit.trainer.data.quality.world import examples, learnable
from trainer.data.examples import DataReport
from trainer.data.quality.findings import DataQuality
from trainer.data.quality.inspect import inspect_data
from trainer.data.quality.table import quality_tables

if TYPE_CHECKING:
    from trainer.data.examples import Examples

DOUBTFUL = "a secret \x1b[31m about w5"


def shown(found: DataQuality) -> str:
    """All tables as they are printed."""
    console = Console(width=120, record=True, file=StringIO())
    for table in quality_tables(found):
        console.print(table)
    return console.export_text()


@pytest.fixture(scope="module")
def faulty() -> Examples:
    """Parts that overlap and a conflict, in rows with a secret text, and wrong labels."""
    good = learnable(200, wrong=(10,))
    rows = [(text, good.label_names[label]) for text, label in zip(good.texts, good.labels, strict=True)]
    rows[7] = (rows[7][0], "negative")
    rows += [(DOUBTFUL, "positive"), (DOUBTFUL, "negative"), (DOUBTFUL.upper(), "positive")]
    found = examples(rows, parts=["train"] * 201 + ["test"] * 2, times=range(0, 203_000, 1_000))
    return replace(found, report=DataReport(rows=210, left_out={"without a label": 7}))


def test_the_report_has_every_check(faulty: Examples) -> None:
    """Rows, classes, lengths, scripts, duplicates, overlap, label errors and drift."""
    found = inspect_data(faulty, "data.csv")
    assert (found.rows, found.used, found.left_out) == (210, 203, {"without a label": 7})
    assert found.parts == {"train": 201, "test": 2}
    assert found.classes.by_part["test"] == {"negative": 1, "positive": 1}
    assert found.lengths.unit == "words"
    assert found.scripts.rows == {"Latin": 203}
    assert (found.exact.groups, found.exact.rows, found.exact.conflicting_groups) == (1, 2, 1)
    assert [(one.part, one.other, one.exact) for one in found.overlaps] == [("test", "train", 2)]
    assert "7" in {error.row.id for error in found.label_errors.listed}
    assert found.drift.windows[0].rows == 51
    assert found.faults() == [
        "2 rows of the test part are in the train part too, and 0 more have a near-duplicate there",
        "1 texts have several labels",
    ]


def test_no_text_is_in_the_report_unless_it_is_asked_for(faulty: Examples) -> None:
    """Neither in the JSON nor in the tables; with texts, no control character reaches the terminal."""
    found = inspect_data(faulty, "data.csv")
    assert "secret" not in found.model_dump_json()
    assert "secret" not in shown(found)
    with_texts = inspect_data(faulty, "data.csv", show_texts=True)
    assert "secret" in with_texts.model_dump_json()
    assert "a secret \\u001b[31m about" in shown(with_texts)


def test_the_report_survives_json_and_is_the_same_each_time(faulty: Examples) -> None:
    """A report that was written can be read again, as the HTML report does."""
    found = inspect_data(faulty, "data.csv", seed=3)
    assert DataQuality.model_validate_json(found.model_dump_json()) == found
    assert inspect_data(faulty, "data.csv", seed=3) == found


def test_few_rows_without_parts_and_times_are_reported_too() -> None:
    """What is not looked at has its reason."""
    found = inspect_data(examples([("so good", "positive"), ("so bad", "negative")]), "data.csv")
    assert found.overlaps == ()
    assert found.drift.skipped == "the rows have no times"
    assert found.label_errors.skipped is not None
    assert found.faults() == []
    text = shown(found)
    assert "the data have no parts" in text
    assert "not looked for, fewer than 100 rows" in text


def test_one_label_alone_is_reported() -> None:
    """A training refuses it; the report says why."""
    found = inspect_data(examples([(f"text {row}", "positive") for row in range(150)]), "data.csv")
    assert found.classes.shares == {"positive": 1.0}
    assert found.label_errors.skipped is not None


def test_names_of_labels_are_escaped() -> None:
    """A label may hold markup, a label or an id a control character of the right-to-left kind."""
    found = examples([("so good", "[red]x[/red]"), ("so bad", "a\u202eb")])
    assert "[red]x[/red]" in shown(inspect_data(found, "data.csv"))
    assert "a\\u202eb" in shown(inspect_data(found, "data.csv"))
    assert np.array_equal(found.labels, [0, 1])


def test_a_check_that_finds_nothing_says_so() -> None:
    """A table without rows would have no title either."""
    found = inspect_data(learnable(200), "data.csv")
    assert not found.label_errors.listed
    assert "labels worth a look, the least probable first: 0 (0.0%)" in shown(found)
