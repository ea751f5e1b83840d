"""A bad text never takes its batch down: which passes are run again, smaller, and which text is to blame.

Knows neither the model nor Kafka: a row is whatever `forward` takes. What a failure means, a matter of a
text, of memory or of the device, is told by the engine that owns `forward`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from consumer.batching import plan
from consumer.records import Unscorable
from shared.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

Row = TypeVar("Row")
Answer = TypeVar("Answer")

FAILED: Final = "ForwardPassFailed"
NOT_FINITE: Final = "NotFinite"
OUT_OF_MEMORY: Final = "OutOfMemory"

GROW_AFTER: Final = 32
"""Full passes after which a lowered budget grows by an eighth."""
FORGET_AFTER: Final = 2_048
"""Full passes after which a size that once failed is tried again: where memory stays short, less than one
pass in 2,000 is in vain."""


class PassFailed(Exception):  # noqa: N818 - a state that is recovered from, not an end
    """A pass failed and one of its texts may be why; the message is a short name and quotes no text."""


class OutOfMemory(Exception):  # noqa: N818
    """A pass did not fit the memory; the engine has let go of all that the pass held."""


class TokenBudget:
    """Padded tokens (rows x longest row) that one pass may have.

    Halved when memory runs out, grown back slowly.
    """

    def __init__(self, full: int) -> None:
        self.full = full
        self.tokens = full
        self.ceiling: int | None = None
        """The smallest pass that ran out of memory. Growth stops short of it for FORGET_AFTER full passes, not
        for ever, since the pressure may have been another process's."""
        self._full_passes = 0

    def ran_out(self, padded_tokens: int) -> None:
        """Notes a pass that did not fit."""
        self.ceiling = padded_tokens if self.ceiling is None else min(self.ceiling, padded_tokens)
        # Half of what failed, not of the budget: a single row beyond any budget must not shrink it on and on.
        self.tokens = max(1, min(self.tokens, padded_tokens // 2))
        self._full_passes = 0

    def fitted(self, padded_tokens: int) -> None:
        """Notes a pass that fitted; one that left half of the budget unused proves nothing and does not count."""
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
class _Window(Generic[Row, Answer]):
    """The rows of one call and what is known about them so far."""

    rows: Sequence[Row]
    lengths: Sequence[int]
    answers: dict[int, Answer | Unscorable] = field(default_factory=dict)
    well: bool = True
    """Whether a pass has succeeded since the last one that failed."""

    def padded(self, batch: Sequence[int]) -> int:
        """Padded tokens of a batch, which has its longest row first."""
        return len(batch) * self.lengths[batch[0]]


class Isolation(Generic[Row, Answer]):
    """Runs rows through `forward` and finds those that cannot be answered. Used by one thread only.

    `forward` answers in the order of its rows, None where an answer is not finite; it raises PassFailed or
    OutOfMemory, and ScorerError for what no text explains. `control` runs a sentence that is known to be
    good through it and raises PassFailed or OutOfMemory where that fails.
    """

    def __init__(
        self,
        forward: Callable[[Sequence[Row]], Sequence[Answer | None]],
        control: Callable[[], None],
        budget: TokenBudget,
    ) -> None:
        self.budget = budget
        self.passes = 0
        """Passes since the start, the control's included."""
        self.extra_passes = 0
        """Those of them that would not have been run if none had failed."""
        self.out_of_memory = 0
        """Passes that ran out of memory."""
        self._forward = forward
        self._control = control

    def run(self, rows: Sequence[Row], lengths: Sequence[int]) -> list[Answer | Unscorable]:
        """Answers rows of `lengths` tokens, in input order; at most 2 x rows passes, whatever fails.

        Raises ScorerError when the device is not known to be well after a failure: a text is blamed only
        if a later pass succeeded, or else the control does.
        """
        window: _Window[Row, Answer] = _Window(rows, lengths)
        batches = plan(lengths, self.budget.tokens)
        passes, out_of_memory = self.passes, self.out_of_memory
        for batch in batches:
            self._settle(window, batch)
        if not window.well:
            self._prove_well()
        extra = self.passes - passes - len(batches)
        self.extra_passes += extra
        unscorable = sum(isinstance(answer, Unscorable) for answer in window.answers.values())
        if extra or unscorable:
            log.warning(
                "isolated",
                texts=len(rows),
                unscorable=unscorable,
                extra_passes=extra,
                out_of_memory=self.out_of_memory - out_of_memory,
                budget_tokens=self.budget.tokens,
            )
        return [window.answers[index] for index in range(len(rows))]

    def _settle(self, window: _Window[Row, Answer], batch: Sequence[int], *, guilty: bool = False) -> bool:
        """Gives each row of a batch its answer, in halves where need be; tells whether all went through.

        A `guilty` batch failed as part of a larger one whose other half went through: it is not run again
        as a whole. That makes 16 extra passes the worst for one bad text of 256, its proof included.
        """
        if len(batch) == 1 or not (guilty or window.padded(batch) > self.budget.tokens):
            failure = self._pass(window, batch)
            if failure is None:
                return True
            if len(batch) == 1:
                window.answers[batch[0]] = failure
                return False
            guilty = failure.error == FAILED
        middle = len(batch) // 2
        first = self._settle(window, batch[:middle])
        second = self._settle(window, batch[middle:], guilty=guilty and first)
        return first and second

    def _pass(self, window: _Window[Row, Answer], batch: Sequence[int]) -> Unscorable | None:
        """Runs one pass and keeps its answers, or says why it failed, as if it had been of one row."""
        self.passes += 1
        tokens = window.lengths[batch[0]]
        window.well = False
        # Nothing is retried within an `except`: its traceback keeps the failed pass alive (pytorch #18853).
        try:
            answers = self._forward([window.rows[index] for index in batch])
        except PassFailed as failure:
            return Unscorable(FAILED, f"{failure} in a forward pass of this text alone, of {tokens} tokens")
        except OutOfMemory:
            self.out_of_memory += 1
            self.budget.ran_out(window.padded(batch))
            reason = f"no memory for a forward pass of this text alone, of {tokens} tokens"
            return Unscorable(OUT_OF_MEMORY, reason)
        self.budget.fitted(window.padded(batch))
        for index, answer in zip(batch, answers, strict=True):
            if answer is None:
                reason = f"the model's answer to this text of {window.lengths[index]} tokens is not finite"
                window.answers[index] = Unscorable(NOT_FINITE, reason)
            else:
                window.answers[index] = answer
                window.well = True
        return None

    def _prove_well(self) -> None:
        self.passes += 1
        try:
            self._control()
        except (PassFailed, OutOfMemory) as failure:
            raise ScorerError(
                f"the control sentence fails as the texts before it did ({str(failure) or OUT_OF_MEMORY}): "
                "not a text but the device or the model is unfit, or its memory is taken"
            ) from None
