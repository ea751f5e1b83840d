"""The exact pass rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation.behaviour.cases import BehaviourTest, minimum
from trainer.evaluation.behaviour.polarity import in_order
from trainer.evaluation.behaviour.rules import Answers, applies, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME = BehaviourTest("same", "INV", ())
UP = BehaviourTest("up", "DIR", (), frozenset({1}))
DOWN = BehaviourTest("down", "DIR", (), frozenset({-1}))


def answers(*rows: Sequence[float], polarity: tuple[int, ...] = (-1, 0, 1)) -> Answers:
    """Those of a model that chooses the largest probability."""
    probabilities = np.array(rows, np.float64)
    return Answers(probabilities.argmax(axis=1), probabilities, polarity)


ROWS = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda row: [one / sum(row) for one in row])


@pytest.mark.parametrize(
    ("row", "fails"), [((0.1, 0.2, 0.7), False), ((0.1, 0.5, 0.4), False), ((0.6, 0.3, 0.1), True)]
)
def test_an_mft_fails_by_the_polarity_of_the_label(row: Sequence[float], fails: bool) -> None:
    """Neutral and positive are both right here, whatever their probability."""
    assert failed(minimum("not + negative", ["x"], 0, 1), answers(row)) is fails


def test_the_order_of_the_labels_does_not_matter() -> None:
    """A positive answer is found by the polarity of its label."""
    assert not failed(minimum("good", ["x"], 1), answers((0.9, 0.1), polarity=(1, -1)))


def test_the_chosen_label_counts_and_not_the_largest_probability() -> None:
    """A model may choose by weights."""
    chosen = Answers(np.array([0]), np.array([[0.4, 0.6]]), (-1, 1))
    assert failed(minimum("good", ["x"], 1), chosen)


@pytest.mark.parametrize(
    ("rows", "fails"),
    [
        ([(0.1, 0.2, 0.7), (0.3, 0.3, 0.4)], False),  # the label stays
        ([(0.0, 0.45, 0.55), (0.0, 0.54, 0.46)], False),  # it changes, by less than 0.1
        ([(0.0, 0.45, 0.55), (0.0, 0.56, 0.44)], True),
        ([(0.1, 0.2, 0.7), (0.1, 0.2, 0.7), (0.8, 0.1, 0.1)], True),  # any two
    ],
)
def test_an_inv_fails_if_the_label_changes_and_its_probability_by_more_than_a_tenth(
    rows: list[Sequence[float]], fails: bool
) -> None:
    """Both are needed."""
    assert failed(SAME, answers(*rows)) is fails


@given(st.lists(ROWS, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_an_inv_does_not_depend_on_the_order_of_its_texts(rows: list[list[float]], random: object) -> None:
    """No text of a case is the original."""
    shuffled = sorted(rows, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert failed(SAME, answers(*rows)) == failed(SAME, answers(*shuffled))


@pytest.mark.parametrize(("test", "after", "fails"), [
    (UP, (0.2, 0.3, 0.5), False), (UP, (0.29, 0.36, 0.35), True), (UP, (0.24, 0.32, 0.44), False),
    (DOWN, (0.2, 0.2, 0.6), True), (DOWN, (0.9, 0.05, 0.05), False),
])  # fmt: skip
def test_a_dir_fails_if_the_answer_moves_against_the_direction(
    test: BehaviourTest, after: Sequence[float], fails: bool
) -> None:
    """p(positive) minus p(negative) is 0.25 before; 0.1 against the direction is tolerated."""
    assert failed(test, answers((0.2, 0.35, 0.45), after)) is fails


@given(ROWS, ROWS)
def test_a_move_fails_in_one_direction_at_most(before: list[float], after: list[float]) -> None:
    """What falls for a positive change is right for a negative one."""
    both = answers(before, after)
    assert not (failed(UP, both) and failed(DOWN, both))


def test_a_case_without_a_possible_right_label_does_not_apply() -> None:
    """A model without a neutral label is not tested on neutral sentences, but on "not negative" ones."""
    assert not applies(minimum("neutral", ["x"], 0), (-1, 1))
    assert applies(minimum("not negative", ["x"], 0, 1), (-1, 1))
    assert applies(SAME, (-1, 1))


@pytest.mark.parametrize(
    ("labels", "polarity", "expected"),
    [
        (("negative", "neutral", "positive"), {"negative": -1, "neutral": 0, "positive": 1}, (-1, 0, 1)),
        (("up", "down"), {"down": -1, "up": 1}, (1, -1)),
        (("positive", "neutral"), {"neutral": 0, "positive": 1}, None),
        (("negative", "positive", "mixed"), {"negative": -1, "positive": 1}, None),
        (("bad", "worse", "good"), {"bad": -1, "worse": -1, "good": 1}, None),
        (("anger", "joy"), None, None),
    ],
)
def test_the_suite_judges_two_or_three_labels_of_different_polarity(
    labels: tuple[str, ...], polarity: dict[str, int] | None, expected: tuple[int, ...] | None
) -> None:
    """In the order of the model; other labels are not judged."""
    assert in_order(labels, polarity) == expected
