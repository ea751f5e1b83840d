"""Keeps a training within its budget of time, by revising the number of its steps a few times."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.models.transformer.schedule.plan import Plan

REVISE_AT: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
"""Progress at which the pace is compared with the plan: often enough that what is left cannot miss by 5 %."""
TOLERANCE: Final = 0.01
"""Share of the time until the end of training by which the end may be missed without a revision."""


@dataclass(slots=True)
class Pacer:
    """Compares the pace of one run with the time that is left."""

    began: float
    """When this run began, by `clock`; the budget counts from there."""
    clock: Callable[[], float] = time.monotonic
    earlier_s: float = 0.0
    """What earlier runs of a resumed training have used."""
    _next: int = 0
    _evaluation_s: list[float] = field(default_factory=list)
    _other_s: float = 0.0
    """Evaluations and checkpoints since the mark."""
    _mark: tuple[int, float] | None = None
    """A step, and when it ended."""

    def used_s(self) -> float:
        """Seconds of the budget that are used, by earlier runs too."""
        return self.earlier_s + self.clock() - self.began

    def start(self, plan: Plan, step: int) -> None:
        """Call before the first step of this run."""
        self._mark = step, self.clock()
        self._next = sum(plan.progress(step) >= share for share in REVISE_AT)

    def paused(self, seconds: float, *, evaluation: bool) -> None:
        """Counts time that went into no step."""
        self._other_s += seconds
        if evaluation:
            self._evaluation_s.append(seconds)

    def revised(self, plan: Plan, step: int) -> Plan | None:
        """Another plan, if the pace so far calls for it; call after each step."""
        if plan.ends_s is None or step >= plan.steps:
            return None
        left_s = plan.ends_s - self.used_s()
        if left_s <= 0:
            return plan.revised(step, step + 1) if step + 1 < plan.steps else None
        if self._mark is None or self._next >= len(REVISE_AT) or plan.progress(step) < REVISE_AT[self._next]:
            return None
        first, when = self._mark
        step_s = (self.clock() - when - self._other_s) / (step - first)
        self._next = sum(plan.progress(step) >= share for share in REVISE_AT)
        self._mark, self._other_s = (step, self.clock()), 0.0
        evaluations = plan.evaluations_after(step)
        evaluation_s = sum(self._evaluation_s) / len(self._evaluation_s) if self._evaluation_s else 0.0
        needed_s = (plan.steps - step) * step_s + evaluations * evaluation_s
        if abs(needed_s - left_s) <= TOLERANCE * plan.ends_s:
            return None
        # An evaluation comes with each `evaluate_every` steps, so its time is part of theirs; one more ends it.
        pace_s = step_s + evaluation_s / plan.evaluate_every
        revised = plan.revised(step, step + max(1, int((left_s - evaluation_s) / pace_s)))
        return None if revised.steps == plan.steps else revised
