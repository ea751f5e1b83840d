"""Each row of a data set becomes an example, or is counted by the reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.errors import InputDataError
from tests.unit.trainer.data.labels.test_column import JSON
from trainer.data.labels.label_map import parse_label_map
from trainer.data.labels.rules import LabelRules
from trainer.data.readers import ColumnNames, checked_examples
from trainer.data.report import data_table
from trainer.data.sample import draw_sample
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.data.examples import Examples

TIMES = ["2020-01-31T10:00:00Z", "2020-02-01", "2020-02-02 11:00"]


def check(label_map: str = "", **columns: list[Any]) -> Examples:
    """The examples of columns."""
    rules = LabelRules(parse_label_map(label_map)) if label_map else LabelRules()
    return checked_examples(columns, ColumnNames(), where="d.csv", source="d", rules=rules)


@given(
    st.lists(
        st.tuples(
            st.just("text") | JSON,
            st.sampled_from(["a", "b", "nan", None]) | JSON,
            st.sampled_from(["1", "2", None]) | JSON,
            JSON,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_counts_add_up_to_the_rows(rows: list[tuple[Any, Any, Any, Any]]) -> None:
    """For any JSON in any column; the only errors are about the data as a whole."""
    texts, labels, ids, times = map(list, zip(*rows, strict=True))
    with capture_logs() as lines:
        try:
            found = check(text=texts, label=labels, id=ids, created_at=times)
        except InputDataError:
            return
    assert len(found) + sum(found.report.left_out.values()) == found.report.rows == len(rows)
    said = next(line for line in lines if line["event"] == "data_read")
    assert said["usable"] + sum(said["left_out"].values()) == said["rows"]
    assert all(found.report.left_out.values())
    assert len(found.ids) == len(found.labels) == len(found)
    assert sum(found.counts().values()) == len(found)


def test_nothing_left_is_an_error_that_counts_the_reasons() -> None:
    """So that a wrong column or rule is found."""
    with pytest.raises(InputDataError, match="left out: 1 without a text, 1 with the label nan, which means none"):
        check(text=[None, "x"], label=["a", "nan"])


def test_the_answers_of_several_annotators_are_one_row() -> None:
    """Rows of one id and one text; other texts of the id, and rows without an id, are rows of their own."""
    found = check(text=["x", "x", "x", "y", "z"], label=["a", "b", "b", "a", "c"], id=["1", "1", "1", "1", None])
    assert found.texts == ("x", "y", "z")
    assert [found.label_names[label] for label in found.labels] == ["b", "a", "c"]
    assert found.report.left_out == {"merged with another row of the same id and text": 2}


def test_a_number_of_classes_that_is_no_set_of_classes_is_refused() -> None:
    """The column is probably another than that of the labels."""
    texts = [f"text {row}" for row in range(1_001)]
    with pytest.raises(
        InputDataError, match=r"1,001 different labels in 1,001 rows; is --label-column the column"
    ):
        check(text=texts, label=texts)


def test_two_spellings_become_one_by_the_map_that_the_error_shows() -> None:
    """The rarer ones get the name of the most frequent one."""
    texts, labels = ["x", "y", "z"], ["Good, really", "good, really", "good, really"]
    with pytest.raises(InputDataError) as caught:
        check(text=texts, label=labels)
    label_map = str(caught.value).rpartition("--label-map ")[2]
    assert label_map == "`Good, really`=`good, really`"
    assert check(label_map, text=texts, label=labels).counts() == {"good, really": 3}


def test_times_that_cannot_be_read_matter_only_for_a_split_by_time() -> None:
    """They are counted; the split by time names the option and the rows, the one at random goes on."""
    texts = [f"{word} is what I think of {row * 7}" for row in range(100) for word in ("yes", "no")]
    labels = ["good", "bad"] * 100
    times = [TIMES[row % 3] for row in range(198)] + ["01/02/2020", "soon"]
    found = check(text=texts, label=labels, created_at=times)
    assert found.created_at is None
    says = r"created_at of 2 rows \(such as 199, 200\) is no time that can be read; .* --time-column"
    with pytest.raises(InputDataError, match=says):
        draw_sample(found, TrainerSettings(split="time"))
    assert draw_sample(found, TrainerSettings()).splits.order == "random"
    assert check(text=texts[:3], label=labels[:3], created_at=TIMES).created_at is not None
    missing = check(text=texts[:3], label=labels[:3], created_at=[*TIMES[:2], None])
    assert missing.report.time_fault == "1 rows have no created_at; choose another column with --time-column"


def test_a_row_that_is_not_used_needs_no_time() -> None:
    """Its time is not looked at."""
    found = check(text=["x", "y", None], label=["a", "b", "a"], created_at=[*TIMES[:2], "soon"])
    assert found.created_at is not None


def test_the_table_and_the_report_of_the_training_have_the_reasons() -> None:
    """And the labelling tool, if it is an export of one."""
    texts = [f"{word} is what I think of {row * 7}" for row in range(100) for word in ("yes", "no")]
    found = check(text=texts, label=["good", "bad"] * 100, answer=["accept"] * 199 + ["reject"])
    table = data_table(found, "d.jsonl")
    cells = {str(name): str(rows) for name, rows in zip(*(column.cells for column in table.columns), strict=True)}
    assert cells == {"good": "100", "bad": "99", "left out": "1", "with the answer reject": "1"}
    assert str(table.title) == "d.jsonl: 200 rows, an export of Prodigy"
    assert draw_sample(found, TrainerSettings()).left_out["with the answer reject"] == 1


def test_one_label_is_an_error_that_says_what_was_left_out() -> None:
    """Such as the rejected answers to one label of Prodigy."""
    found = check(text=["a", "b", "c"], label=["pos"] * 3, answer=["accept", "accept", "reject"])
    with pytest.raises(
        InputDataError, match=r"only one label, 'pos'; .* \(rows left out: 1 with the answer reject\)"
    ):
        draw_sample(found, TrainerSettings())
