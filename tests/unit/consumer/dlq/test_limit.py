"""The limit stops a run with too many dead letters, counts published letters once, and survives a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dlq.limit import DeadLetterLimit
from consumer.kafka.commit_metadata import CommitMetadata
from consumer.settings import Limits
from shared.errors import TooManyDeadLetters

SMALL = Limits(dlq_window=20, dlq_share=0.25, dlq_in_a_row=4)

batches = st.lists(st.lists(st.booleans(), max_size=12), max_size=12)


def publish(limit: DeadLetterLimit, outcomes: list[bool]) -> None:
    """Checks and counts a batch, as the loop does."""
    limit.check(outcomes)
    limit.record(outcomes)


def _publishes(limit: DeadLetterLimit, outcomes: list[bool]) -> bool:
    try:
        publish(limit, outcomes)
    except TooManyDeadLetters:
        return False
    return True


def test_letters_in_a_row_trip_across_batches() -> None:
    """Given three letters at a batch's end, when the next begins with a fourth, then it trips; a result resets."""
    limit = DeadLetterLimit(SMALL)
    publish(limit, [False, True, True, True])

    limit.check([False, True, True])
    with pytest.raises(TooManyDeadLetters, match=r"4 dead letters in a row[^/]*limits\.dlq_in_a_row"):
        limit.check([True, False])


def test_a_share_of_the_window_trips() -> None:
    """Given a window with a quarter of letters, when one more comes, then it trips; old ones are forgotten."""
    limit = DeadLetterLimit(SMALL)
    publish(limit, [True, False] * 5)

    with pytest.raises(TooManyDeadLetters, match=r"6 dead letters among the last 20.*limits\.dlq_share"):
        limit.check([True])
    publish(limit, [False] * 12)
    publish(limit, [True])


def test_a_batch_that_was_not_published_counts_once() -> None:
    """Given a batch whose publish failed, when it comes again, then its letters are not counted twice."""
    limit = DeadLetterLimit(SMALL)
    for _ in range(10):
        limit.check([True, True, True])


@given(batches)
def test_it_trips_exactly_when_a_limit_is_reached(given_batches: list[list[bool]]) -> None:
    """Given any batches, when counted, then it trips at the same record as a naive count."""
    flat = [outcome for batch in given_batches for outcome in batch]
    trips = any(
        (all(flat[end - 4 : end]) and end >= 4) or sum(flat[max(0, end - 20) : end]) > 5
        for end in range(1, len(flat) + 1)
    )
    limit, tripped = DeadLetterLimit(SMALL), False
    try:
        for batch in given_batches:
            publish(limit, batch)
    except TooManyDeadLetters:
        tripped = True

    assert tripped == trips


@given(batches, st.integers(1, 12))
def test_a_restart_writes_no_more_letters_than_a_first_start(given_batches: list[list[bool]], size: int) -> None:
    """Given a limit that ended a process, when it is restarted with letters alone, then it trips at once.

    No restart writes more letters than a first start would, and from the second restart on none are written.
    """
    limit = DeadLetterLimit(SMALL)
    try:
        for batch in given_batches:
            publish(limit, batch)
        publish(limit, [True] * SMALL.dlq_in_a_row)
    except TooManyDeadLetters:
        pass
    written: list[int] = []
    for _ in range(4):
        metadata = CommitMetadata.decode(limit.into(CommitMetadata()).encode())
        limit = DeadLetterLimit(SMALL)
        limit.restore(metadata)
        written.append(0)
        while _publishes(limit, [True] * size):
            written[-1] += size

    assert written[0] < SMALL.dlq_in_a_row
    assert sum(written) < SMALL.dlq_in_a_row


def test_a_restart_after_the_cause_was_corrected_goes_on() -> None:
    """Given a share limit that ended a process, when results come again.

    Then a few letters do not trip it.
    """
    limit = DeadLetterLimit(SMALL)
    for _ in range(5):
        publish(limit, [True, False, False, False])
    metadata = limit.into(CommitMetadata())
    limit = DeadLetterLimit(SMALL)
    limit.restore(metadata)

    for _ in range(30):
        publish(limit, [False, False, False, False, False, False, True])


def test_metadata_without_counts_changes_nothing() -> None:
    """Given counts, when partitions without counts begin, then the counts stay."""
    limit = DeadLetterLimit(SMALL)
    publish(limit, [True, True, True])
    limit.restore(CommitMetadata())

    with pytest.raises(TooManyDeadLetters):
        limit.check([True])
