"""One bad text is found and the rest is scored, for any failure and any position."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ScorerError
from shared.inference.batching import make_batches
from shared.inference.isolation import FORGET_AFTER, GROW_AFTER, Isolation, OutOfMemory, PassFailed, TokenBudget
from shared.inference.types import BatchIsolated, Unscorable
from shared.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

ROOM = 1_000_000
"""Enough tokens for all rows of a test at once."""


def isolation(
    forward: Callable[[Sequence[str]], Sequence[str | None]],
    control: Callable[[], None],
    budget: int = ROOM,
    observer: Callable[[BatchIsolated], None] = lambda _: None,
) -> Isolation[str, str]:
    """An isolation whose passes have room for all rows of a test."""
    return Isolation(forward, control, TokenBudget(budget), padding=ROOM, observer=observer)


def run(isolation: Isolation[str, str], rows: Sequence[str], lengths: Sequence[int]) -> list[str | Unscorable]:
    """Answers rows in input order, as one thread of the scheduler does."""
    window, batches = isolation.open_window(rows, lengths)
    for batch in batches:
        isolation.run_batch(window, batch)
    return isolation.settle(window)


class Engine:
    """Answers a string with its capitals; raises the scripted failures. A character is a token."""

    def __init__(
        self,
        *,
        bad: Collection[str] = (),
        not_finite: Collection[str] = (),
        memory: int = ROOM,
        budget: int = ROOM,
        sick: bool = False,
    ) -> None:
        self.bad = bad
        self.not_finite = not_finite
        self.memory = memory
        self.sick = sick
        self.passes: list[tuple[str, ...]] = []
        self.controls = 0
        self.batches = 0
        self.events: list[BatchIsolated] = []
        self.isolation = isolation(self.forward, self.control, budget, self.events.append)

    def forward(self, rows: Sequence[str]) -> list[str | None]:
        """One pass."""
        self.passes.append(tuple(rows))
        if len(rows) * max(len(row) for row in rows) > self.memory:
            raise OutOfMemory
        if self.sick or any(row in self.bad for row in rows):
            raise PassFailed("IndexError")
        return [None if row in self.not_finite else row.upper() for row in rows]

    def control(self) -> None:
        """Fails only on a broken device."""
        self.controls += 1
        if self.sick:
            raise PassFailed("IndexError")

    def run(self, rows: Sequence[str]) -> list[str | Unscorable]:
        """Runs rows with their lengths."""
        budget = self.isolation.budget.tokens
        self.batches = len(make_batches([len(row) for row in rows], budget, padding=ROOM))
        return run(self.isolation, rows, [len(row) for row in rows])

    @property
    def extra_passes(self) -> int:
        """Passes beyond one for each batch of the last run, including the control's."""
        return len(self.passes) + self.controls - self.batches

    def outcome(self, rows: Sequence[str]) -> list[str]:
        """Like `run`, but with the name of the error for unscorable rows."""
        return [one.error if isinstance(one, Unscorable) else one for one in self.run(rows)]

    def expected(self, row: str) -> str:
        """The outcome of a row on a healthy device."""
        if len(row) > self.memory:
            return "OutOfMemory"
        if row in self.bad:
            return "ForwardPassFailed"
        return "NotFinite" if row in self.not_finite else row.upper()


def numbered(lengths: Sequence[int]) -> list[str]:
    """Distinct rows of at least the given lengths."""
    return [f"row{number}".ljust(length, "x") for number, length in enumerate(lengths)]


ANY_ROWS = st.lists(st.integers(1, 120), max_size=70).map(numbered)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), rows=ANY_ROWS, budget=st.integers(1, 4_000), memory=st.integers(8, 8_000))
def test_exactly_the_bad_rows_fail(data: st.DataObject, rows: list[str], budget: int, memory: int) -> None:
    """Given any rows of which any are bad, when run with any budget and memory, then exactly these are unscorable.

    All others have their own answer, in input order, and there are at most twice as many passes as rows.
    """
    some = st.sets(st.sampled_from(rows)) if rows else st.just(set[str]())
    engine = Engine(bad=data.draw(some), not_finite=data.draw(some), memory=memory, budget=budget)

    assert engine.outcome(rows) == [engine.expected(row) for row in rows]
    assert len(engine.passes) + engine.controls <= 2 * len(rows)
    assert 1 <= engine.isolation.budget.tokens <= budget


@pytest.mark.parametrize("size", [4, 5, 100, 256])
def test_one_bad_row_costs_few_passes(size: int) -> None:
    """Given one bad row anywhere in a pass, when run, then only it fails, for at most 2 x log2 extra passes.

    This includes the control that proves the device healthy: 16 for 256 rows.
    """
    rows = numbered([10] * size)
    for bad in rows:
        engine = Engine(bad={bad})

        assert engine.outcome(rows) == [engine.expected(row) for row in rows]
        assert 0 < engine.extra_passes <= 2 * (size - 1).bit_length()


def test_a_row_that_is_not_finite_costs_no_pass() -> None:
    """Given rows of which two lack a finite answer, when run, then these fail and no pass is run again."""
    engine = Engine(not_finite={"b", "d"})

    assert engine.outcome(list("abcd")) == ["A", "NotFinite", "C", "NotFinite"]
    assert (len(engine.passes), engine.extra_passes) == (1, 0)


def test_a_failure_that_does_not_come_again_blames_nobody() -> None:
    """Given a pass that fails once only, when its halves are run, then every row has its answer."""
    engine = Engine(bad={"c"})
    forward = engine.forward

    def heal(rows: Sequence[str]) -> list[str | None]:
        try:
            return forward(rows)
        finally:
            engine.bad = ()

    healing = isolation(heal, engine.control)

    assert run(healing, list("abcd"), [1] * 4) == list("ABCD")
    assert engine.controls == 0


@pytest.mark.parametrize("memory", [64, 500, 4_000])
def test_running_out_of_memory_costs_no_text(memory: int) -> None:
    """Given memory for some padded tokens, when a window needs far more, then all is scored in passes that fit.

    The next window begins with the budget found before and does not run out of memory again.
    """
    engine = Engine(memory=memory, budget=32_768)
    rows = numbered([8 + number % 50 for number in range(512)])

    assert engine.outcome(rows) == [row.upper() for row in rows]
    found = engine.isolation.out_of_memory
    assert 1 <= found <= 12  # 32,768 is 64 doubled nine times
    assert memory / 4 <= engine.isolation.budget.tokens <= memory
    assert engine.outcome(rows[:100]) == [row.upper() for row in rows[:100]]
    assert engine.isolation.out_of_memory == found


def test_what_did_not_fit_is_run_in_halves_that_do() -> None:
    """Given a pass of which half fits the memory, when it runs out, then two more passes answer all of it."""
    engine = Engine(memory=40)

    engine.run(numbered([10] * 8))

    assert [len(rows) for rows in engine.passes] == [8, 4, 4]


def test_a_row_too_large_for_the_memory_fails_alone() -> None:
    """Given ten rows that exceed the memory alone, when run among others, then they fail and no other does.

    They do not reduce the budget further: it stays at half of the smallest pass that failed.
    """
    engine = Engine(memory=400, budget=2_048)
    rows = numbered([500 if number % 10 == 0 else 20 for number in range(100)])

    assert engine.outcome(rows) == [engine.expected(row) for row in rows]
    assert engine.isolation.budget.tokens == 250


def test_a_budget_grows_back_below_what_failed_and_then_beyond() -> None:
    """Given a budget that was halved, when full passes fit, then it grows, and passes the ceiling in the end."""
    budget = TokenBudget(2_048)
    budget.ran_out(2_000)
    assert (budget.tokens, budget.ceiling) == (1_000, 2_000)

    for _ in range(GROW_AFTER):
        assert budget.tokens == 1_000
        budget.fitted(budget.tokens)
    assert budget.tokens == 1_125
    for _ in range(GROW_AFTER * 10):
        budget.fitted(budget.tokens)
    below = budget.tokens
    assert 2_000 * 8 / 9 - 1 <= below < 2_000
    for _ in range(FORGET_AFTER):
        budget.fitted(budget.tokens)
    assert (budget.tokens > 2_000, budget.ceiling) == (True, None)
    for _ in range(GROW_AFTER):
        budget.fitted(budget.tokens)
    assert budget.tokens == 2_048


def test_small_passes_do_not_raise_the_budget() -> None:
    """Given a halved budget, when passes use at most half of it, then it stays: they prove nothing."""
    budget = TokenBudget(2_048)
    budget.ran_out(2_048)
    for _ in range(FORGET_AFTER * 2):
        budget.fitted(512)

    assert (budget.tokens, budget.ceiling) == (1_024, 2_048)


@settings(deadline=None)
@given(events=st.lists(st.tuples(st.booleans(), st.integers(0, 5_000)), max_size=400), full=st.integers(1, 4_096))
def test_a_budget_stays_between_one_and_full(events: list[tuple[bool, int]], full: int) -> None:
    """Given any passes in any order, when noted, then the budget is never empty nor more than was allowed.

    A pass that ran out leaves at most half of its tokens, and full passes alone bring all of it back.
    """
    budget = TokenBudget(full)
    for fits, padded in events:
        if fits:
            budget.fitted(padded)
        else:
            budget.ran_out(padded)
            assert budget.tokens <= max(1, padded // 2)
        assert 1 <= budget.tokens <= full

    for _ in range(100 * GROW_AFTER + FORGET_AFTER):
        budget.fitted(budget.tokens)
    assert budget.tokens == full


def test_memory_that_another_process_took_comes_back() -> None:
    """Given a temporary lack of memory, when windows go on, then the budget is full again in the end."""
    engine = Engine(memory=100, budget=1_024)
    rows = numbered([8] * 512)
    engine.run(rows)
    assert engine.isolation.budget.tokens <= 100

    engine.memory = ROOM
    windows = 0
    while engine.isolation.budget.tokens < 1_024:
        engine.run(rows)
        windows += 1
        assert windows < FORGET_AFTER
    assert engine.isolation.budget.ceiling is None


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_sick_device_blames_no_text(size: int) -> None:
    """Given a device on which everything fails, when rows are run, then a ScorerError ends the run.

    No text is blamed, and the number of passes is bounded.
    """
    engine = Engine(sick=True)

    with pytest.raises(ScorerError, match="control sentence"):
        engine.run(numbered([10] * size))
    assert len(engine.passes) + engine.controls <= 2 * size


def test_weights_that_answer_nothing_finite_blame_no_text() -> None:
    """Given a model that always answers NaN, also to the control, when run, then a ScorerError ends the run.

    If the control is answered, the texts are at fault.
    """
    engine = Engine(not_finite="abc")

    def nan() -> None:
        raise PassFailed("its answer is not finite")

    with pytest.raises(ScorerError, match="not finite"):
        run(isolation(engine.forward, nan), "abc", [1] * 3)
    assert engine.outcome("abc") == ["NotFinite"] * 3
    assert engine.controls == 1


def test_memory_that_is_gone_altogether_blames_no_text() -> None:
    """Given a control that runs out of memory too, when a row did, then a ScorerError ends the run."""
    engine = Engine(memory=5)

    def starve() -> None:
        raise OutOfMemory

    with pytest.raises(ScorerError, match="OutOfMemory"):
        run(isolation(engine.forward, starve), ["a" * 10], [10])


def test_the_control_is_asked_only_if_nothing_else_proves_the_device() -> None:
    """Given a bad row, when a later pass succeeds, then no control is scored; when it came last, then one is."""
    first, last = Engine(bad={"a"}), Engine(bad={"d"})

    assert first.outcome("abcd") == ["ForwardPassFailed", "B", "C", "D"]
    assert last.outcome("abcd") == ["A", "B", "C", "ForwardPassFailed"]
    assert (first.controls, last.controls) == (0, 1)


def test_a_device_error_ends_it_at_once() -> None:
    """Given a pass that raises ScorerError, when run, then it is raised unchanged after that one pass."""
    passes = 0

    def gone(_rows: Sequence[str]) -> list[str | None]:
        nonlocal passes
        passes += 1
        raise ScorerError("gone")

    with pytest.raises(ScorerError, match="gone"):
        run(isolation(gone, lambda: None), "abcd", [1] * 4)
    assert passes == 1


@pytest.mark.parametrize("kind", [PassFailed, OutOfMemory])
def test_a_failed_pass_is_let_go_of_before_the_next(kind: type[Exception]) -> None:
    """Given a pass that fails while it holds a large object, when the next is run, then the object is freed."""

    class Large:
        """A large object, as a tensor would be."""

    held: list[weakref.ref[Large]] = []
    seen: list[bool] = []

    def forward(rows: Sequence[str]) -> list[str | None]:
        seen.append(any(ref() is not None for ref in held))
        large = Large()
        held.append(weakref.ref(large))
        if "a" in rows:
            raise kind
        return list(rows)

    run(isolation(forward, lambda: None), "abcd", [1] * 4)

    assert len(seen) > 2
    assert not any(seen)


def test_a_window_without_failures_is_no_event() -> None:
    """Given good rows, when run, then there is neither an event nor an extra pass, also in several passes."""
    engine = Engine(budget=10)

    engine.run(numbered([5] * 20))

    assert engine.events == []
    assert (len(engine.passes), engine.extra_passes) == (10, 0)


def test_what_was_isolated_is_an_event_in_numbers() -> None:
    """Given a bad row and too little memory, when run, then one event has the counts; nothing quotes a text."""
    rows = ["private row", *numbered([11] * 7)]
    engine = Engine(bad={"private row"}, memory=60)

    (unscorable, *_) = engine.run(rows)

    assert unscorable == Unscorable(
        Reason.FORWARD_PASS_FAILED, "IndexError in a forward pass of this text alone, of 11 tokens"
    )
    assert engine.events == [
        BatchIsolated(texts=8, unscorable=1, extra_passes=engine.extra_passes, out_of_memory=1, budget_tokens=44)
    ]
