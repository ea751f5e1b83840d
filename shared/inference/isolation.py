"""Isolates bad texts: splits a failed batch, runs the parts again and finds the text that causes the failure.

Independent of the model and of Kafka: a row is whatever `forward` takes. The engine that owns `forward` decides
whether the cause of a failure is a text, memory or the device.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from shared.errors import ScorerError
from shared.inference.batching import cost, make_batches
from shared.inference.types import BatchIsolated, Unscorable
from shared.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.inference.types import SchedulerEvent

log = structlog.get_logger()

Row = TypeVar("Row")
Answer = TypeVar("Answer")

CONTROL: Final = "This is a first sentence to warm the model up."
"""A sentence that is known to be good: if it cannot be scored, its text is not the cause."""


GROW_AFTER: Final = 32
"""Full passes after which a lowered budget grows by an eighth."""
FORGET_AFTER: Final = 2_048
"""Full passes after which a size that once failed is tried again: if memory stays short, less than one pass in
2,000 fails because of that."""


class PassFailed(Exception):  # noqa: N818 - the process recovers from it
    """A pass failed and one of its texts may be the cause; the message is a short name and quotes no text."""


class OutOfMemory(Exception):  # noqa: N818
    """A pass did not fit into memory; the engine has released everything that the pass held."""


class TokenBudget:
    """Maximum tokens of one pass, padding included.

    Halved when memory runs out, then increased slowly.
    """

    def __init__(self, full: int) -> None:
        self.full = full
        self.tokens = full
        self.ceiling: int | None = None
        """Tokens of the smallest pass that ran out of memory. Growth stays below it for FORGET_AFTER full passes
        and not for longer, since another process may have used the memory."""
        self._full_passes = 0

    def ran_out(self, padded_tokens: int) -> None:
        """Records a pass that did not fit."""
        self.ceiling = padded_tokens if self.ceiling is None else min(self.ceiling, padded_tokens)
        # Half of the failed pass, not of the budget: a single row above any budget must not shrink it repeatedly.
        self.tokens = max(1, min(self.tokens, padded_tokens // 2))
        self._full_passes = 0

    def fitted(self, padded_tokens: int) -> None:
        """Records a pass that fitted; one that left half of the budget unused does not count as evidence."""
        if self.tokens == self.full or 2 * padded_tokens <= self.tokens:
            return
        self._full_passes += 1
        grown = min(self.full, self.tokens + max(1, self.tokens // 8))
        under_ceiling = self.ceiling is None or grown < self.ceiling
        if self._full_passes >= (GROW_AFTER if under_ceiling else FORGET_AFTER):
            self.ceiling = self.ceiling if under_ceiling else None
            self.tokens = grown
            self._full_passes = 0


@dataclass(slots=True)
class Window(Generic[Row, Answer]):
    """Rows that are answered together, with their results so far."""

    rows: Sequence[Row]
    lengths: Sequence[int]
    """In tokens."""
    waiting: int = 0
    """Batches that have not been run."""
    answers: dict[int, Answer | Unscorable] = field(default_factory=dict)
    failed: list[tuple[list[int], bool]] = field(default_factory=list)
    """Batches to be run again in parts, and whether one of their rows may be the cause."""
    passes: int = 0
    """Passes in addition to one for each batch."""
    out_of_memory: int = 0
    well: bool = True
    """Whether a pass has succeeded since the last one that failed."""


def log_isolated(event: SchedulerEvent) -> None:
    """Logs isolations only; the observer of a `Scheduler` that is given none, as in `score` and in the trainer."""
    if isinstance(event, BatchIsolated):
        log.warning("isolated", **asdict(event))


class Isolation(Generic[Row, Answer]):
    """Runs rows through `forward` and finds those that cannot be answered.

    `forward` returns answers in the order of its rows, None for an answer that is not finite; it raises PassFailed
    or OutOfMemory, and ScorerError if the cause is not a text. `control` runs a sentence that is known to be good
    through `forward` and raises PassFailed or OutOfMemory if that fails.

    `open_window` cuts a window of rows into batches. `run_batch` runs one, in any thread, and returns whether it
    was the last; then `settle` returns the answers, and tells `observer` of a window with failures. `padding` is
    that of `batching.make_batches`.
    """

    def __init__(
        self,
        forward: Callable[[Sequence[Row]], Sequence[Answer | None]],
        control: Callable[[], None],
        budget: TokenBudget,
        *,
        padding: int | None,
        observer: Callable[[BatchIsolated], None],
    ) -> None:
        self.budget = budget
        self.out_of_memory = 0
        """Passes that ran out of memory."""
        self._forward = forward
        self._control = control
        self._padding = padding
        self._observer = observer
        self._lock = threading.Lock()

    def open_window(
        self, rows: Sequence[Row], lengths: Sequence[int]
    ) -> tuple[Window[Row, Answer], list[list[int]]]:
        """Returns a window of rows and its batches for `run_batch`, each a list of row indices."""
        batches = make_batches(lengths, self.budget.tokens, padding=self._padding)
        return Window(rows, lengths, waiting=len(batches)), batches

    def run_batch(self, window: Window[Row, Answer], batch: list[int]) -> bool:
        """Runs one batch, unless the token budget has shrunk below it; returns whether it was the window's last.

        Raises what `forward` raises if the cause is not a text.
        """
        fits = len(batch) == 1 or self._cost(window, batch) <= self.budget.tokens
        failure = self._pass(window, batch) if fits else None
        with self._lock:
            if not fits:
                window.passes -= 1
                window.failed.append((batch, False))
            elif failure is not None and len(batch) == 1:
                window.answers[batch[0]] = failure
            elif failure is not None:
                window.failed.append((batch, failure.error == Reason.FORWARD_PASS_FAILED))
            window.waiting -= 1
            return window.waiting == 0

    def settle(self, window: Window[Row, Answer]) -> list[Answer | Unscorable]:
        """Runs failed batches again in parts, in the caller's thread; returns all answers in input order."""
        for batch, guilty in window.failed:
            self._halve(window, batch, guilty=guilty)
        if not window.well:
            self._prove_well(window)
        unscorable = sum(isinstance(answer, Unscorable) for answer in window.answers.values())
        if window.failed or unscorable or window.passes:
            self._observer(
                BatchIsolated(
                    texts=len(window.rows),
                    unscorable=unscorable,
                    extra_passes=window.passes,
                    out_of_memory=window.out_of_memory,
                    budget_tokens=self.budget.tokens,
                )
            )
        return [window.answers[index] for index in range(len(window.rows))]

    def _settle(self, window: Window[Row, Answer], batch: list[int], *, guilty: bool) -> bool:
        """Answers each row of a batch, in halves if necessary; returns whether all rows succeeded.

        A `guilty` batch failed as part of a larger one whose other half succeeded: it is not run again as a
        whole. So one bad text of 256 costs at most 16 extra passes, including the control sentence.
        """
        if len(batch) == 1 or not (guilty or self._cost(window, batch) > self.budget.tokens):
            with self._lock:
                window.passes += 1
            failure = self._pass(window, batch)
            if failure is None:
                return True
            if len(batch) == 1:
                window.answers[batch[0]] = failure
                return False
            guilty = failure.error == Reason.FORWARD_PASS_FAILED
        return self._halve(window, batch, guilty=guilty)

    def _halve(self, window: Window[Row, Answer], batch: list[int], *, guilty: bool) -> bool:
        middle = len(batch) // 2
        first = self._settle(window, batch[:middle], guilty=False)
        second = self._settle(window, batch[middle:], guilty=guilty and first)
        return first and second

    def _pass(self, window: Window[Row, Answer], batch: list[int]) -> Unscorable | None:
        """Runs one pass and keeps its answers; returns why it failed, as for a pass of one row, or None."""
        tokens, cost = window.lengths[batch[0]], self._cost(window, batch)
        failure: Unscorable | None = None
        # No retry inside an `except`: its traceback keeps the tensors of the failed pass alive (pytorch #18853).
        try:
            answers = self._forward([window.rows[index] for index in batch])
        except PassFailed as error:
            reason = f"{error} in a forward pass of this text alone, of {tokens} tokens"
            failure = Unscorable(Reason.FORWARD_PASS_FAILED, reason)
        except OutOfMemory:
            reason = f"no memory for a forward pass of this text alone, of {tokens} tokens"
            failure = Unscorable(Reason.OUT_OF_MEMORY, reason)
        with self._lock:
            if failure is None:
                self.budget.fitted(cost)
                self._keep(window, batch, answers)
            else:
                window.well = False
            if failure is not None and failure.error == Reason.OUT_OF_MEMORY:
                self.budget.ran_out(cost)
                self.out_of_memory += 1
                window.out_of_memory += 1
        return failure

    def _keep(self, window: Window[Row, Answer], batch: list[int], answers: Sequence[Answer | None]) -> None:
        well = False
        for index, answer in zip(batch, answers, strict=True):
            if answer is None:
                reason = f"the model's answer to this text of {window.lengths[index]} tokens is not finite"
                window.answers[index] = Unscorable(Reason.NOT_FINITE, reason)
            else:
                window.answers[index] = answer
                well = True
        window.well = well

    def _cost(self, window: Window[Row, Answer], batch: Sequence[int]) -> int:
        return cost([window.lengths[index] for index in batch], pads=self._padding is not None)

    def _prove_well(self, window: Window[Row, Answer]) -> None:
        with self._lock:
            window.passes += 1
        try:
            self._control()
        except (PassFailed, OutOfMemory) as failure:
            raise ScorerError(
                f"the control sentence fails as the texts before it did ({str(failure) or Reason.OUT_OF_MEMORY}): "
                "the cause is not a text but the device, the model, or a lack of memory"
            ) from None
