"""Polarity follows from usual names of labels, and from what the user says before it."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError
from trainer.data.labels.polarity import Polarity, parse_polarity, polarity_of


@pytest.mark.parametrize(
    ("labels", "spec", "expected"),
    [
        (("negative", "neutral", "positive"), None, {"negative": -1, "neutral": 0, "positive": 1}),
        (("NEG", "Pos"), None, {"NEG": -1, "Pos": 1}),
        (("Very Negative", "very_positive", "mixed"), None, {"Very Negative": -1, "very_positive": 1}),
        (
            ("1 star", "2 stars", "3 stars", "5 stars"),
            None,
            {"1 star": -1, "2 stars": -1, "3 stars": 0, "5 stars": 1},
        ),
        (("1", "2", "3", "4", "5"), None, {"1": -1, "2": -1, "3": 0, "4": 1, "5": 1}),
        (("-1", "0", "1"), None, {"-1": -1, "0": 0, "1": 1}),
        (("0", "1"), None, None),
        (("0", "1"), "0=-1,1=+1", {"0": -1, "1": 1}),
        (("joy", "anger"), None, None),
        (("not negative", "10 stars", "", "star"), None, None),
        (("joy", "a=b", "neutral"), "a=b=-1,neutral=none", {"a=b": -1}),
    ],
)
def test_polarity_of_labels(
    labels: tuple[str, ...], spec: str | None, expected: dict[str, Polarity] | None
) -> None:
    """Given names and what the user says, when asked, then unknown ones are left out and the user counts first."""
    assert polarity_of(labels, spec) == expected


@pytest.mark.parametrize("spec", ["negative", "negative=2", "=1", "a=1,,b=1", "a=1,"])
def test_a_list_that_is_none_is_refused(spec: str) -> None:
    """Given a wrong list, when parsed, then the error shows a right one."""
    with pytest.raises(ValueError, match="negative=-1,neutral=0,positive=1"):
        parse_polarity(spec)


def test_a_label_that_is_not_there_is_named() -> None:
    """Given a misspelt label, when asked, then the error has the labels that there are."""
    with pytest.raises(
        SettingsError, match=r"--polarity names 'negativ', and the labels are 'negative', 'positive'"
    ):
        polarity_of(("negative", "positive"), "negativ=-1")
