"""The threads between Kafka and the device."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ScorerError
from shared.inference.isolation import PassFailed
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from tests.support.fakes import UNSCORABLE, FakeScorer, oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WAIT_S = 10.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that is open at the end, so that no thread waits at it."""
    found = threading.Event()
    yield found
    found.set()


class WideScorer(FakeScorer):
    """Takes three passes at once, of few tokens; `most` is the largest number seen at once, `bad` fails a pass."""

    concurrency = 3
    batch_tokens = 40
    bad = "bad"

    def __init__(self, *, together: int = 1) -> None:
        super().__init__()
        self.barrier = threading.Barrier(together)

    def forward(self, rows: Sequence[str]) -> list[Score | None]:
        """Waits until the expected number of passes is inside; fails on a bad row."""
        if len(rows[0]) == self.batch_tokens:
            self.barrier.wait(WAIT_S)
        if self.bad in rows:
            raise PassFailed("ValueError")
        return super().forward(rows)


@settings(deadline=None, max_examples=50)
@given(
    batches=st.lists(st.lists(st.text(max_size=50), max_size=30), max_size=12),
    entries=st.integers(0, 20),
)
def test_every_text_has_its_own_answer(batches: list[list[str]], entries: int) -> None:
    """Given any batches, when submitted at once, then each future has its texts' answers, in input order.

    This holds whether texts shared a window or a pass, came twice or were cached.
    """
    scoring = Scheduler(WideScorer(), cache=entries)
    futures = [scoring.submit(batch) for batch in batches]

    for batch, future in zip(batches, futures, strict=True):
        answers = future.result(WAIT_S)
        assert len(answers) == len(batch)
        for text, answer in zip(batch, answers, strict=True):
            if text == WideScorer.bad:
                assert not isinstance(answer, Score)
            else:
                assert isinstance(answer, Score)
                assert answer.probabilities == oracle(text).probabilities
    assert scoring.close(WAIT_S)


def test_an_empty_batch_does_not_reach_the_scorer() -> None:
    """Given a batch of dead letters only, when submitted, then it has no scores and the model does not run."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer)

    assert scoring.submit([]).result(WAIT_S) == []
    assert scorer.calls == []
    assert scoring.close(WAIT_S)


def test_what_waits_becomes_one_window(gate: threading.Event) -> None:
    """Given a busy device, when batches come, then they wait together and share the next pass."""
    scorer = FakeScorer(gates=[gate])
    scoring = Scheduler(scorer)
    first = scoring.submit(["first"])
    while not scorer.calls:
        pass
    others = [scoring.submit([f"text {number}", f"word {number}"]) for number in range(5)]
    while vars(scoring)["_submitted"].qsize():
        pass
    gate.set()

    assert first.result(WAIT_S) == [oracle("first")]
    for number, other in enumerate(others):
        assert other.result(WAIT_S) == [oracle(f"text {number}"), oracle(f"word {number}")]
    assert scorer.calls[0] == ("first",)
    assert len(scorer.calls) <= 3  # the last one to be tokenised may have missed the window
    assert scoring.close(WAIT_S)


def test_a_window_leaves_something_ready_for_the_next(gate: threading.Event) -> None:
    """Given more texts than a window takes, when they wait, then whole batches up to its size share a pass."""
    scorer = FakeScorer(gates=[gate])
    scoring = Scheduler(scorer, window=5)
    first = scoring.submit(["first"])
    while not scorer.calls:
        pass
    batches = [[f"text {number}", f"word {number}"] for number in range(4)] + [[f"long {n}" for n in range(7)]]
    others = [scoring.submit(batch) for batch in batches]
    while vars(scoring)["_submitted"].qsize() or vars(scoring)["_tokenised"].qsize() < len(batches) - 1:
        pass
    gate.set()

    for batch, other in zip(batches, others, strict=True):
        assert other.result(WAIT_S) == [oracle(text) for text in batch]
    assert first.done()
    scored = [text for call in scorer.calls[1:] for text in call]
    assert sorted(scored) == sorted(text for batch in batches for text in batch)
    assert all(len(call) in (2, 4, 7) for call in scorer.calls[1:])
    assert max(len(call) for call in scorer.calls[1:-1]) == 4
    assert scoring.close(WAIT_S)


def test_as_many_passes_run_at_once_as_the_device_takes() -> None:
    """Given a device for three passes at once, when a window has three, then all are inside before one ends."""
    scorer = WideScorer(together=3)
    scoring = Scheduler(scorer)
    texts = [letter * WideScorer.batch_tokens for letter in "abc"]

    assert scoring.submit(texts).result(WAIT_S) == [oracle(text) for text in texts]
    assert scoring.close(WAIT_S)


def test_equal_texts_are_scored_once() -> None:
    """Given a batch with repeated texts, when scored, then the model sees each once and the first one pays."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer)

    answers = scoring.score(["a", "b", "a", "a"])

    assert scorer.calls == [("a", "b")]
    assert [isinstance(one, Score) and one.computed_tokens for one in answers] == [3, 3, 0, 0]
    assert [isinstance(one, Score) and one.tokens for one in answers] == [3, 3, 3, 3]
    assert scoring.close(WAIT_S)


def test_a_cache_answers_what_was_scored_before() -> None:
    """Given a cache of two, when texts come again, then the model scores only the evicted ones."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer, cache=2)
    for text in ["a", "b", "a", "c", "b", "a"]:  # b is evicted for c, and then a for b
        (answer,) = scoring.score([text])
        assert isinstance(answer, Score)
        assert answer.probabilities == oracle(text).probabilities

    assert scorer.calls == [("a",), ("b",), ("c",), ("b",), ("a",)]
    assert scoring.close(WAIT_S)


def test_without_a_cache_every_batch_is_scored() -> None:
    """Given no cache, when a text comes again in a later batch, then the model scores it again."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer)

    assert scoring.score(["a"]) == scoring.score(["a"]) == [oracle("a")]
    assert scorer.calls == [("a",), ("a",)]
    assert scoring.close(WAIT_S)


def test_a_text_that_cannot_be_tokenised_is_not_shown_to_the_model() -> None:
    """Given such a text, when scored with others or alone, then it is unscorable each time and never cached."""
    scorer = FakeScorer(unscorable={"odd"})
    scoring = Scheduler(scorer, cache=10)

    assert scoring.score(["a", "odd", "odd"]) == [oracle("a"), UNSCORABLE, UNSCORABLE]
    assert scoring.score(["odd"]) == [UNSCORABLE]
    assert scorer.calls == [("a",)]
    assert scoring.close(WAIT_S)


@pytest.mark.parametrize("error", [ScorerError("gone"), ValueError("odd")])
def test_what_the_scorer_raises_is_carried_over(error: Exception) -> None:
    """Given a scorer that raises, when called, then the future holds that very error and the threads go on."""
    scoring = Scheduler(FakeScorer(error=error))

    assert scoring.submit(["a"]).exception(WAIT_S) is error
    assert scoring.submit(["b"]).exception(WAIT_S) is error
    assert scoring.close(WAIT_S)


def test_what_the_tokenizer_raises_is_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a tokenizer that raises, when called, then the future holds its error and the next batch goes on."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer)
    error = ScorerError("unfit")
    with monkeypatch.context() as patch:
        patch.setattr(scorer, "tokenise", lambda _: (_ for _ in ()).throw(error))
        assert scoring.submit(["a"]).exception(WAIT_S) is error

    assert scoring.score(["a"]) == [oracle("a")]
    assert scoring.close(WAIT_S)


def test_what_cannot_be_planned_is_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given rows without a length, when planned, then the future holds the error and the next batch goes on."""
    scorer = FakeScorer()
    scoring = Scheduler(scorer)
    with monkeypatch.context() as patch:
        patch.setattr(scorer, "tokenise", lambda texts: [None] * len(texts))
        assert isinstance(scoring.submit(["a"]).exception(WAIT_S), TypeError)

    assert scoring.score(["a"]) == [oracle("a")]
    assert scoring.close(WAIT_S)


def test_a_cancelled_batch_is_skipped(gate: threading.Event) -> None:
    """Given a batch that waits its turn, when cancelled, then the scorer never sees it; the next is scored."""
    scorer = FakeScorer(gates=[gate])
    scoring = Scheduler(scorer)
    first = scoring.submit(["first"])
    while not scorer.calls:
        pass
    second, third = scoring.submit(["second"]), scoring.submit(["third"])

    assert second.cancel()
    gate.set()

    assert first.result(WAIT_S) == [oracle("first")]
    assert third.result(WAIT_S) == [oracle("third")]
    assert scorer.calls == [("first",), ("third",)]
    with pytest.raises(CancelledError):
        second.result()
    assert scoring.close(WAIT_S)


def test_closing_tells_whether_the_threads_ended(gate: threading.Event) -> None:
    """Given a pass that does not end, when closed, then False comes at the timeout, and True after its end."""
    scoring = Scheduler(FakeScorer(gates=[gate]))
    future = scoring.submit(["a"])

    assert not scoring.close(0.01)
    gate.set()
    assert future.result(WAIT_S) == [oracle("a")]
    assert scoring.close(WAIT_S)


def test_the_threads_do_not_keep_the_process() -> None:
    """Given a pass that never ends, when the interpreter ends, then no thread delays it."""
    scoring = Scheduler(FakeScorer())

    found = [one for one in threading.enumerate() if one.name.startswith("scheduler-") and one.is_alive()]
    assert len(found) >= 3
    assert all(thread.daemon for thread in found)
    assert scoring.close(WAIT_S)


@pytest.mark.parametrize("queue", ["_submitted", "_tokenised", "_passes"])
def test_a_thread_that_ends_lets_nobody_wait(queue: str, gate: threading.Event) -> None:
    """Given a thread that ends with an internal error, then current and later batches fail with ScorerError."""
    scorer = FakeScorer(gates=[gate])
    scoring = Scheduler(scorer)
    running = scoring.submit(["running"])
    while not scorer.calls:
        pass
    private = (-1, -1, "private") if queue == "_submitted" else "private"
    vars(scoring)[queue].put(private)  # none of them can be processed
    waiting = scoring.submit(["waiting"])
    gate.set()

    with pytest.raises(ScorerError, match="has ended; start again: unforeseen AttributeError") as raised:
        waiting.result(WAIT_S)
    assert "private" not in str(raised.value)
    with pytest.raises(ScorerError, match="has ended"):
        scoring.submit(["late"]).result(WAIT_S)
    assert running.done()


def test_low_priority_waits_for_the_others_and_shares_their_pass(gate: threading.Event) -> None:
    """Given a busy device, when requests come before the stream, then the stream is scored first, in one pass."""
    scorer = FakeScorer(gates=[gate])
    scoring = Scheduler(scorer, window=100, low_priority_share=0.03)
    first = scoring.submit(["first"])
    while not scorer.calls:
        pass
    request = scoring.submit(["request"], low_priority=True)
    stream = scoring.submit(["stream"])
    while vars(scoring)["_submitted"].qsize() or vars(scoring)["_tokenised"].qsize() < 1:
        pass
    gate.set()

    assert first.result(WAIT_S) == [oracle("first")]
    assert (stream.result(WAIT_S), request.result(WAIT_S)) == ([oracle("stream")], [oracle("request")])
    assert sorted(scorer.calls[1]) == ["request", "stream"]
    assert scoring.close(WAIT_S)


def test_closing_answers_what_has_low_priority() -> None:
    """Given requests in the queue, when the scheduler closes, then they are answered before it ends."""
    scoring = Scheduler(FakeScorer(), window=2)
    requests = [scoring.submit([f"text {number}"], low_priority=True) for number in range(20)]

    assert scoring.close(WAIT_S)
    assert [one.result(0) for one in requests] == [[oracle(f"text {number}")] for number in range(20)]
