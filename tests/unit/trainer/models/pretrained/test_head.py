"""Which fine-tuned heads give one label of several to a text, and what the labels are called."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InputDataError, SettingsError
from trainer.models.pretrained.head import label_names, refuse_other_heads

CONFIG: dict[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "bad", "1": "good"},
}


@pytest.mark.parametrize(
    "settings",
    [{}, {"problem_type": "single_label_classification"}, {"function_to_apply": "softmax"}, {"id2label": None}],
)
def test_one_label_of_several_is_what_is_served(settings: dict[str, Any]) -> None:
    """Whether the config says so or not."""
    refuse_other_heads({**CONFIG, **settings}, "hub")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"problem_type": "multi_label_classification"}, r"any number of labels to a text \(multi-label\)"),
        ({"function_to_apply": "sigmoid"}, r"any number of labels to a text \(multi-label\)"),
        ({"problem_type": "regression"}, r"gives a number and no label \(regression"),
        ({"id2label": {"0": "LABEL_0"}}, r"gives a number and no label \(regression, one output\)"),
        ({"id2label": {"0": "a"}, "problem_type": "single_label_classification"}, "has one label only"),
        ({"problem_type": "ranking"}, "problem_type 'ranking' is not single-label classification"),
        ({"function_to_apply": "none"}, "is not single-label classification"),
        (
            {"architectures": ["BertForTokenClassification"]},
            "names BertForTokenClassification, and no architecture",
        ),
        ({"architectures": ["BertForQuestionAnswering"]}, "not a fine-tuned classifier of texts"),
        ({"architectures": ["BertModel"]}, "give it to sentiment-trainer train as --base"),
        ({"architectures": None}, "names no architecture"),
    ],
)
def test_other_heads_are_refused(settings: dict[str, Any], expected: str) -> None:
    """Each with its reason."""
    with pytest.raises(InputDataError, match=expected):
        refuse_other_heads({**CONFIG, **settings}, "hub")


def test_labels_are_in_the_order_of_the_outputs() -> None:
    """Not in that of the file; and those that are given replace the config's."""
    shuffled = {"10": "k", **{str(number): "abcdefghij"[number] for number in range(10)}}
    assert label_names({"id2label": shuffled}, None, "hub") == tuple("abcdefghijk")
    assert label_names(CONFIG, [" no ", "yes"], "hub") == ("no", "yes")


@pytest.mark.parametrize("names", [{"0": "LABEL_0", "1": "LABEL_1"}, {"0": "good", "1": "label_1"}, None])
def test_labels_without_a_meaning_need_names(names: dict[str, str] | None) -> None:
    """One is enough; and given as names they are kept."""
    with pytest.raises(SettingsError, match=r"LABEL_1.*--label-names negative,positive; to keep these|label_1"):
        label_names({"id2label": names}, None, "hub")
    assert label_names({"id2label": names}, ["LABEL_0", "LABEL_1"], "hub") == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize("given", [["no"], ["no", "yes", "maybe"], ["no", "no"], ["no", ""], ["no", "y\nes"]])
def test_names_that_do_not_fit_are_refused(given: list[str]) -> None:
    """As many as labels, each of its own, in one line."""
    with pytest.raises(SettingsError, match="--label-names"):
        label_names(CONFIG, given, "hub")


def test_labels_that_do_not_count_from_zero_are_refused() -> None:
    """The order of the outputs would be a guess."""
    with pytest.raises(InputDataError, match="does not count from 0"):
        label_names({"id2label": {"1": "a", "2": "b"}}, None, "hub")
