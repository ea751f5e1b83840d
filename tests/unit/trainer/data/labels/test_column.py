"""From values as files have them to labels, or to the reason why a row is left out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputDataError
from trainer.data.labels.column import LabelColumn
from trainer.data.labels.label_map import parse_label_map
from trainer.data.labels.left_out import LeftOut
from trainer.data.labels.rules import LabelRules, Several
from trainer.data.labels.votes import Votes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(width=32) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def read(*values: Any, label_map: str = "", ignored: str = "", several: Several = "leave-out") -> list[str]:
    """The labels, and the reasons in brackets."""
    rules = LabelRules(parse_label_map(label_map) if label_map else LabelRules().label_map, several=several)
    if ignored:
        rules = LabelRules(rules.label_map, frozenset(ignored.split(",")), several)
    found = LabelColumn("d.csv", rules).read(values)
    return [f"[{label.reason}]" if isinstance(label, LeftOut) else label for label in found]


def test_one_label_in_several_types_is_one_label() -> None:
    """Numbers that became floats, also in a CSV; booleans; blanks, byte order marks and two ways to write é."""
    assert set(read(4, 4.0, "4", "4.0", " 4 ", Decimal(4), "4e0", "+4")) == {"4"}
    assert set(read(0.5, "0.5", ".5", "5e-1", Decimal("0.50"))) == {"0.5"}
    assert set(read(-0.0, 0, "0", "-0")) == {"0"}
    assert read(True, "True", "true", 1, 1.0) == ["true", "true", "true", "1", "1"]
    assert set(read("joy", " joy\n", "\ufeffjoy", "joy\ufeff ")) == {"joy"}
    assert set(read("caf\u00e9", "cafe\u0301")) == {"caf\u00e9"}
    assert read("01", "1") == ["01", "1"]


@pytest.mark.parametrize("nothing", ["nan", "NaN", "None", "null", "NULL", "NA", "<NA>", "N/A", float("nan")])
def test_spellings_of_nothing_are_no_label(nothing: Any) -> None:
    """They are left out, unless the map names one."""
    assert "which means none" in read(nothing)[0]
    if isinstance(nothing, str):
        assert read(nothing, label_map=f"{nothing}=neutral") == ["neutral"]


def test_empty_values_are_no_label() -> None:
    """Null, an empty string, blanks, an empty list."""
    assert set(read(None, "", "  ", "\ufeff", [], "[]", [None])) == {"[without a label]"}


def test_none_is_a_class_of_stance_data() -> None:
    """NONE and none are labels that people give."""
    assert read("NONE", "none") == ["NONE", "none"]


def test_a_list_of_one_is_that_label() -> None:
    """As JSON has it, and as JSON or Python in a field of a CSV."""
    assert set(read(["neg"], ("neg",), '["neg"]', "['neg']", {"choices": ["neg"]}, '{"choices": ["neg"]}')) == {
        "neg"
    }
    assert read(["neg", "neg"], [None, "neg"]) == ["neg", "neg"]


def test_several_labels_are_left_out_or_chosen() -> None:
    """By `--several-labels`; labels that the map makes one are one."""
    values = (["a", "b"], ["b", "b", "a"], "['a', 'b']")
    assert read(*values) == ["[with several labels]"] * 3
    assert read(*values, several="first") == ["a", "b", "a"]
    assert read(*values, several="majority")[1] == "b"
    assert read(*values, several="majority")[0] == "[with annotators who disagree]"
    assert read(*values, label_map="a=b") == ["b", "b", "b"]
    assert read(*values, ignored="a") == ["b", "b", "b"]


def test_labels_of_spans_are_none_of_the_text() -> None:
    """As doccano exports them for sequence labelling."""
    assert read([[0, 2, "ORG"]], [{"start": 0, "label": "x"}]) == ["[with labels for parts of the text only]"] * 2


def test_annotators_vote() -> None:
    """After the map; a tie leaves the row out."""
    assert read(Votes(["pos", "neg", "pos"])) == ["pos"]
    assert read(Votes(["pos", "neg"])) == ["[with annotators who disagree]"]
    assert read(Votes([4, 5, 1]), label_map="1-2=bad,4-5=good") == ["good"]
    assert read(Votes([None, "nan"]), Votes([["a", "b"], "a"])) == ["[without a label]", "a"]


def test_labels_can_be_left_out() -> None:
    """As the data have them, or by the new name."""
    assert read(-1, "-1", "-1.0", 0, ignored="-1") == ["[with the label -1, by --ignore-label]"] * 3 + ["0"]
    assert read(2, label_map="0=bad,2=so so", ignored="so so") == ["[with the label so so, by --ignore-label]"]


def test_a_map_of_numbers_names_all_numbers() -> None:
    """A number that it lacks is an error with the number of its rows; other labels stay."""
    with pytest.raises(InputDataError, match=r"no part for the label 2 \(3 rows\); .* --ignore-label 2"):
        read(0, 2, 2, 2, label_map="0=negative,4=positive")
    assert read(0, 2, label_map="0=negative", ignored="2")[0] == "negative"
    assert read(0, "negative", label_map="0=negative") == ["negative", "negative"]
    assert read(0, 1, label_map="0=1,1=0") == ["1", "0"]


def test_numbers_have_the_names_of_their_source() -> None:
    """-1 hides a label there; the map takes names and numbers; a number without a name is an error."""
    column = LabelColumn("d", LabelRules(parse_label_map("neutral=other,2=good")), ("bad", "neutral", "positive"))
    found = column.read([0, 1.0, "positive", 2, -1, [0]])
    assert found[:4] == ["bad", "other", "positive", "good"]
    assert found[4] == LeftOut("with the label -1, which hides it in the source")
    assert found[5] == "bad"
    with pytest.raises(InputDataError, match="label 3 has no name; named are 0 to 2"):
        column.read([3])


@pytest.mark.parametrize("label", ["two\nlines", "bell\u0007", "x" * 101, ["two\nlines"]])
def test_what_cannot_be_a_label_is_an_error_with_its_row(label: Any) -> None:
    """It is probably a text; it is not quoted."""
    with pytest.raises(InputDataError, match="the label of row 2 has a line end") as caught:
        read("fine", label)
    assert "bell" not in str(caught.value)
    assert "two" not in str(caught.value)


@given(st.lists(JSON, max_size=6))
def test_every_value_is_a_label_or_has_a_reason(values: list[Any]) -> None:
    """For any JSON: one entry for each value, and errors only of the expected kind."""
    try:
        found = LabelColumn("d").read(values)
    except InputDataError:
        return
    assert len(found) == len(values)
    assert all(isinstance(label, LeftOut) or label.strip() for label in found)
