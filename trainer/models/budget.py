"""Plans a training within `--budget`: what comes before and after the loop, and the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError
from shared.terminal import show
from trainer.models.transformer.schedule.budget import (
    MEASURED_SHARE,
    Stopwatch,
    TooLittleTimeError,
    choose_pace,
    plan_budget,
)
from trainer.models.transformer.schedule.plan import steps_per_epoch

if TYPE_CHECKING:
    from trainer.models.transformer.schedule.budget import Pace
    from trainer.models.transformer.schedule.pacer import Pacer
    from trainer.models.transformer.schedule.plan import Plan

AFTER_S: Final = 8.0
"""Seconds for writing, checking and loading the model after the last step: a guess that suits a MiniLM."""
SERVED_COST: Final = 2.0
"""Time of a text in the engine that serves in fp32, over that in an evaluation during training, bf16 perhaps."""
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Budget:
    """The time for a training, from the start of the command to the sealed folder."""

    seconds: float
    pacer: Pacer
    later_tokens: int
    """Tokens of the texts that are scored after the loop: the held-out rows, and the sentences of the suite."""

    def plan(self, stopwatch: Stopwatch, chosen: int | None) -> Plan:
        """Measures, prints the plan and returns it; raises SettingsError if the budget is too small.

        `chosen` is the batch size that the user gave, if any.
        """
        paces = stopwatch.paces(chosen, MEASURED_SHARE * self.seconds)
        rows, config = len(stopwatch.train), stopwatch.config
        used_s = self.pacer.used_s()
        after_s = AFTER_S + SERVED_COST * paces[0].evaluation_s * self.later_tokens / stopwatch.validation.size
        ends_s = self.seconds - after_s
        pace = choose_pace(paces, ends_s - used_s)
        try:
            plan = plan_budget(rows, config, pace, ends_s - used_s)
        except TooLittleTimeError as error:
            needed = used_s + error.needed_s + after_s
            raise SettingsError(
                f"--budget {self.seconds:.0f}s is too small: at least {needed:.0f} s are needed here "
                f"({used_s:.0f} s to load and measure, {error.needed_s:.0f} s to train, {after_s:.0f} s to save, "
                "calibrate and test)"
            ) from None
        show(words(plan, pace, rows, config.accumulate))
        if (unused := ends_s - used_s - _loop_s(plan, pace)) > MEASURED_SHARE * self.seconds:
            show(f"More epochs than that bring nothing: about {_time(unused)} of the budget will not be used.")
        return replace(plan, ends_s=ends_s)


def words(plan: Plan, pace: Pace, rows: int, accumulate: int) -> str:
    """The plan in one line, for display."""
    epochs = plan.steps / steps_per_epoch(rows, plan.batch_size, accumulate)
    evaluation_s = plan.evaluations_after(0) * pace.evaluation_s
    return (
        f"{epochs:.1f} epochs = {plan.steps:,} steps of {plan.batch_size * accumulate} rows, about "
        f"{_time(_loop_s(plan, pace))}, of which evaluation {_time(evaluation_s)}"
    )


def _loop_s(plan: Plan, pace: Pace) -> float:
    return plan.steps * pace.step_s + plan.evaluations_after(0) * pace.evaluation_s


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _MINUTE_S else f"{seconds / _MINUTE_S:.0f} min"
