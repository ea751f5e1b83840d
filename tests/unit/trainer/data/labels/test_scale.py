"""Numbers that are ratings or scores: what is refused, what is proposed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputDataError
from trainer.data.labels.label_map import as_number, parse_label_map
from trainer.data.labels.scale import hints, propose, refuse_scores
from trainer.data.labels.spelling import clean


@pytest.mark.parametrize(
    ("labels", "bins"),
    [
        (
            ["0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"],
            "0.5-2=negative,2.5-3=neutral,3.5-5=positive",
        ),
        ([str(score) for score in range(101)], "0-40=negative,40-60=neutral,60-100=positive"),
        (
            [f"{score / 100:.2f}" for score in range(-93, 99)],
            "-1--0.2=negative,-0.2-0.2=neutral,0.2-1=positive",
        ),
    ],
)
def test_scores_are_refused_with_bins(labels: list[str], bins: str) -> None:
    """Halves of stars, 0 to 100, and a polarity from -1 to 1."""
    with pytest.raises(InputDataError, match="a scale and not a set of classes") as caught:
        refuse_scores(map(clean, labels), "d.csv")
    assert str(caught.value).endswith(f"--label-map {bins}")


@pytest.mark.parametrize(
    "labels", [["1", "2", "3", "4", "5"], ["a", "0.5"], ["0", "4"], [str(n) for n in range(20)]]
)
def test_classes_are_not_refused(labels: list[str]) -> None:
    """Stars, names beside numbers, two numbers."""
    refuse_scores(labels, "d.csv")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["1", "2", "3", "4", "5"], "--label-map 1-2=negative,3=neutral,4-5=positive"),
        ([str(n) for n in range(11)], "--label-map 0-3=negative,4-6=neutral,7-10=positive"),
        (["-1", "0", "1"], "--ignore-label -1; .* --label-map -1=negative,0=neutral,1=positive"),
        (["0", "4"], "--label-map 0=negative,4=positive"),
        (["false", "true"], "--label-map true=positive,false=negative"),
    ],
)
def test_numbers_are_pointed_out(labels: list[str], says: str) -> None:
    """A scale of stars, a mark of hidden labels, numbers without names."""
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(" ".join(hints(labels)))


def test_names_need_no_hint() -> None:
    """Nor do names beside numbers."""
    assert hints(["negative", "positive"]) == hints(["1", "other"]) == []


@given(st.sets(st.decimals(-1000, 1000, places=3), min_size=2, max_size=80))
def test_proposed_bins_hold_every_number(numbers: set[str]) -> None:
    """What an error proposes can be given as it is, and maps all labels."""
    labels = sorted({clean(str(number)) for number in numbers})
    parsed = sorted(number for label in labels if (number := as_number(label)) is not None)
    label_map = parse_label_map(str(propose(parsed)))
    assert all(label_map.find(label) for label in labels)
