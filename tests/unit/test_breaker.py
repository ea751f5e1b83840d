"""The breaker stops a run that dead-letters too much, and counts what is published once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.breaker import Breaker
from consumer.settings import Limits
from shared.errors import TooManyDeadLetters

SMALL = Limits(dlq_window=20, dlq_share=0.25, dlq_in_a_row=4)


def test_letters_in_a_row_trip_across_batches() -> None:
    """Given three letters at a batch's end, when the next begins with a fourth, then it trips; a result resets."""
    breaker = Breaker(SMALL).after([False, True, True, True])

    breaker.after([False, True, True])
    with pytest.raises(TooManyDeadLetters, match=r"4 dead letters in a row[^/]*limits\.dlq_in_a_row"):
        breaker.after([True, False])


def test_a_share_of_the_window_trips() -> None:
    """Given a quarter of the window being letters, when one more comes, then it trips; old ones are forgotten."""
    breaker = Breaker(SMALL).after([True, False] * 5)

    with pytest.raises(TooManyDeadLetters, match=r"6 dead letters among the last 20.*limits\.dlq_share"):
        breaker.after([True])
    breaker.after([False] * 12).after([True])


def test_a_batch_that_was_not_published_counts_once() -> None:
    """Given a batch whose publish failed, when it comes again, then its letters are not counted twice."""
    breaker = Breaker(SMALL)
    for _ in range(10):
        breaker.after([True, True, True])


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=12))
def test_it_trips_exactly_when_a_limit_is_reached(batches: list[list[bool]]) -> None:
    """Given any batches, when counted, then it trips at the very record at which a naive count would."""
    flat = [outcome for batch in batches for outcome in batch]
    trips = any(
        (all(flat[end - 4 : end]) and end >= 4) or sum(flat[max(0, end - 20) : end]) > 5
        for end in range(1, len(flat) + 1)
    )
    breaker, tripped = Breaker(SMALL), False
    try:
        for batch in batches:
            breaker = breaker.after(batch)
    except TooManyDeadLetters:
        tripped = True

    assert tripped == trips
