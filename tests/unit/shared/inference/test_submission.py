"""Which batches make the next window, and what low priority takes from the others."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from shared.inference.submission import Submission, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS = 20
PASS_TOKENS = 50
SHARE = 0.05
LONGEST = 30


def batch(lengths: Sequence[int], *, low_priority: bool = False) -> Submission:
    """A tokenised batch with rows of these lengths, in tokens."""
    rows = ["x" * length for length in lengths]
    return Submission(Future(), rows, [None] * len(rows), list(rows), [], [], low_priority)


def waiting(share: float = SHARE) -> Waiting:
    """Nothing waits yet."""
    return Waiting(max_rows=MAX_ROWS, pass_tokens=PASS_TOKENS, low_share=share)


lengths = st.lists(st.integers(1, LONGEST), min_size=1, max_size=8)


@given(
    stream=st.lists(st.lists(st.integers(1, LONGEST), min_size=1, max_size=MAX_ROWS), max_size=20),
    requests=st.lists(lengths, max_size=40),
)
def test_a_loaded_stream_loses_at_most_the_share(stream: list[list[int]], requests: list[list[int]]) -> None:
    """Given windows of many rows or tokens, then requests take the share of them and at most one batch more."""
    queue = waiting()
    for one in requests:
        queue.add(batch(one, low_priority=True))
    high = low = 0
    for one in stream:
        queue.add(batch(one))
        window = queue.next_window()
        assert sum(not other.low_priority for other in window) == 1
        if len(one) < MAX_ROWS / 2 and sum(one) < PASS_TOKENS:
            continue  # the device has room
        high += sum(other.tokens for other in window if not other.low_priority)
        low += sum(other.tokens for other in window if other.low_priority)

        assert low < SHARE * high + 8 * LONGEST


@given(requests=st.lists(lengths, min_size=1, max_size=20))
def test_an_idle_device_takes_requests_one_pass_at_a_time(requests: list[list[int]]) -> None:
    """Given no stream, then requests leave in their order, each window a pass and at most one batch more."""
    queue = waiting()
    batches = [batch(one, low_priority=True) for one in requests]
    for one in batches:
        queue.add(one)
    left: list[Submission] = []
    while queue:
        window = queue.next_window()
        assert window
        assert sum(one.tokens for one in window[:-1]) < PASS_TOKENS
        left += window

    assert [id(one) for one in left] == [id(one) for one in batches]


@given(high=st.lists(lengths, max_size=10), low=st.lists(lengths, max_size=10), share=st.floats(0, 0.5))
def test_requests_change_nothing_of_the_stream(high: list[list[int]], low: list[list[int]], share: float) -> None:
    """Given the same batches of a stream with and without requests, then its windows are the same."""
    alone, shared = waiting(), waiting(share)
    for one in low:
        shared.add(batch(one, low_priority=True))
    for one in high:
        alone.add(batch(one))
        shared.add(batch(one))

    while alone:
        found = [one.rows for one in shared.next_window() if not one.low_priority]
        assert found == [one.rows for one in alone.next_window()]


def test_a_debt_is_paid_before_more_is_taken() -> None:
    """Given a request of 60 tokens and a share of 5 % of 200, then the next one waits for five more windows."""
    queue = waiting()
    queue.add(batch([30, 30], low_priority=True))
    queue.add(batch([1], low_priority=True))
    joined = []
    for _ in range(8):
        queue.add(batch([10] * MAX_ROWS))
        joined.append(sum(one.low_priority for one in queue.next_window()))

    assert joined == [1, 0, 0, 0, 0, 0, 1, 0]


def test_a_light_window_is_filled_up_to_a_pass() -> None:
    """Given a stream of few texts, then requests fill the rest of its pass and nothing is owed."""
    queue = waiting()
    for _ in range(6):
        queue.add(batch([10], low_priority=True))
    queue.add(batch([20]))

    assert [one.low_priority for one in queue.next_window()] == [False, True, True, True]


def test_a_cancelled_request_takes_nothing() -> None:
    """Given a client that has left, then its batch is dropped and the next one has its place."""
    queue = waiting()
    gone, stays = batch([LONGEST] * 5, low_priority=True), batch([1], low_priority=True)
    queue.add(gone)
    queue.add(stays)
    assert gone.future.cancel()

    assert queue.next_window() == [stays]
    assert not queue
