"""Tests of the judge itself: it finds a wrong answer, and the oracle sets the tolerance."""

from __future__ import annotations

import json

import pytest

from tests.chaos.verdict import oracle, reader
from tests.chaos.verdict.inputs import Expected
from tests.chaos.verdict.oracle import Oracle

VERSION = "0123456789ab"


class Lenient(Oracle):
    """Allows the differences that a text's neighbours cause in a real model's answer."""

    tolerance = 1e-4


def result(number: int, off: float = 0.0, label: str | None = None) -> reader.Row:
    """The right result of a message, except for its first probability and its label."""
    truth = Oracle()
    probabilities = dict(zip(oracle.LABELS, truth.probabilities(VERSION, truth.text_of(number)), strict=True))
    probabilities["negative"] += off
    value = {
        "id": str(number),
        "probabilities": probabilities,
        "label": label or max(probabilities, key=probabilities.__getitem__),
        "model": {"version": VERSION},
    }
    headers = tuple(oracle.headers_of(number))
    return reader.Row(0, number, oracle.key_of(number), json.dumps(value).encode(), headers)


@pytest.mark.parametrize(
    ("truth", "off", "holds"),
    [(Oracle(), 0.0, True), (Oracle(), 2e-6, False), (Lenient(), 9e-5, True), (Lenient(), 2e-4, False)],
)
def test_a_probability_may_be_off_by_the_tolerance(truth: Oracle, off: float, holds: bool) -> None:
    """Given one of several answers that is off, then the verdict follows from the tolerance."""
    rows = [result(1), result(2, off), result(3)]

    assert reader.answers_right(rows, [VERSION], truth).holds is holds


def test_a_label_other_than_the_most_probable_is_found() -> None:
    """Given the right probabilities under a wrong label, then the answer is wrong."""
    right = json.loads(result(1).value or b"")["label"]
    wrong = next(label for label in oracle.LABELS if label != right)

    assert not reader.answers_right([result(1, label=wrong)], [VERSION], Lenient()).holds


def test_a_model_version_that_nobody_ran_is_found() -> None:
    """Given right answers that name an unknown model, then they are wrong."""
    assert not reader.answers_right([result(1)], ["ba9876543210"], Oracle()).holds


@pytest.mark.parametrize(
    ("numbers", "may", "holds"),
    [
        ([1, 2], [], True),
        ([1], [], False),
        ([1, 2, 2], [], False),
        ([1, 2, 3], [], False),
        ([1, 2, 3], [3], True),
        ([1, 2], [3], True),
        ([1, 2, 3, 3], [3], False),
    ],
)
def test_what_went_with_its_topic_may_be_missing(numbers: list[int], may: list[int], holds: bool) -> None:
    """Given messages 1 and 2 that must be found, then others may be found only if their topic was deleted."""
    expected = Expected(must={1, 2}, may=set(may))

    verdict = reader.everything_once([result(number) for number in numbers], [], expected, Oracle(), exactly=True)

    assert verdict.holds is holds


def test_what_an_operator_had_read_again_may_come_twice() -> None:
    """Given a topic that was read again from its start, then its messages may appear twice and out of order."""
    rows = [result(number) for number in (3, 1, 2, 3)]
    again = {1, 2, 3}

    assert reader.everything_once(rows, [], Expected(again, again=again), Oracle(), exactly=True).holds
    assert not reader.everything_once(rows, [], Expected(again), Oracle(), exactly=True).holds
    assert not reader.everything_once(rows[:2], [], Expected(again, again=again), Oracle(), exactly=True).holds


def test_a_culprit_belongs_into_the_dead_letters() -> None:
    """Given a text that kills, when a result is found for it, then it is in the wrong topic."""
    number = oracle.CULPRITS
    assert Oracle().letter_of(number) == oracle.PROCESS_DIED

    verdict = reader.everything_once([result(number)], [], Expected(must={number}), Oracle(), exactly=True)

    assert not verdict.holds
