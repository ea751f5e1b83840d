"""The thread on which the model works."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from consumer.scoring import ScoringThread
from shared.errors import ScorerError
from tests.support.fakes import FakeScorer, oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 10.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that is open at the end, so that no thread stays behind it."""
    found = threading.Event()
    yield found
    found.set()


def test_batches_are_scored_in_the_order_they_came() -> None:
    """Given several batches, when submitted, then the scorer gets them in order and each future has its own."""
    scorer = FakeScorer()
    thread = ScoringThread(scorer)
    batches = [[f"{batch}/{row}" for row in range(3)] for batch in range(20)]

    futures = [thread.submit(batch) for batch in batches]

    assert [future.result(WAIT_S) for future in futures] == [[oracle(text) for text in batch] for batch in batches]
    assert scorer.calls == [tuple(batch) for batch in batches]
    assert thread.close(WAIT_S)


def test_an_empty_batch_does_not_reach_the_scorer() -> None:
    """Given a batch of dead letters only, when submitted, then its scores are none and the model is not asked."""
    scorer = FakeScorer()
    thread = ScoringThread(scorer)

    assert thread.submit([]).result(WAIT_S) == []
    assert scorer.calls == []
    assert thread.close(WAIT_S)


@pytest.mark.parametrize("error", [ScorerError("gone"), ValueError("odd")])
def test_what_the_scorer_raises_is_carried_over(error: Exception) -> None:
    """Given a scorer that raises, when asked, then the future holds that very error and the thread goes on."""
    thread = ScoringThread(FakeScorer(error=error))

    assert thread.submit(["a"]).exception(WAIT_S) is error
    assert thread.submit([]).result(WAIT_S) == []
    assert thread.close(WAIT_S)


def test_a_cancelled_batch_is_skipped(gate: threading.Event) -> None:
    """Given a batch that waits its turn, when cancelled, then the scorer never sees it; the next is scored."""
    scorer = FakeScorer(gates=[gate])
    thread = ScoringThread(scorer)
    first, second, third = (thread.submit([name]) for name in ("first", "second", "third"))

    assert second.cancel()
    gate.set()

    assert first.result(WAIT_S) == [oracle("first")]
    assert third.result(WAIT_S) == [oracle("third")]
    assert scorer.calls == [("first",), ("third",)]
    with pytest.raises(CancelledError):
        second.result()
    assert thread.close(WAIT_S)


def test_closing_tells_whether_the_thread_ended(gate: threading.Event) -> None:
    """Given a pass that does not end, when closed, then False comes at the timeout, and True once it has ended."""
    thread = ScoringThread(FakeScorer(gates=[gate]))
    future = thread.submit(["a"])

    assert not thread.close(0.01)
    gate.set()
    assert future.result(WAIT_S) == [oracle("a")]
    assert thread.close(WAIT_S)


def test_the_thread_does_not_keep_the_process() -> None:
    """Given a pass that never ends, when the interpreter ends, then the thread does not hold it."""
    thread = ScoringThread(FakeScorer())

    (found,) = [one for one in threading.enumerate() if one.name == "scoring" and one.is_alive()]
    assert found.daemon
    assert thread.close(WAIT_S)
