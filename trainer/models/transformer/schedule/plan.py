"""The plan of a training: its updates, its batches, its evaluations and its learning rate.

The rate is a function of the planned progress, from 0 to 1. So a plan whose length is revised on the way keeps a
rate without jumps, which still ends at zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.models.transformer.training_state import TrainingConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """The updates of a training; a step is one update of the weights."""

    steps: int
    """All updates, those before the last revision included."""
    batch_size: int
    """Rows of one pass through the model; an update has `accumulate` of them."""
    evaluate_every: float
    """Steps between two evaluations on the validation rows; the last step has one in any case."""
    ends_s: float | None = None
    """Seconds of the budget after which the last evaluation must be done; None: no budget."""
    most_steps: int | None = None
    """What a revision does not exceed, however much time is left."""
    from_step: int = 0
    """The step of the last revision."""
    from_progress: float = 0.0
    """The progress at that step."""

    def progress(self, step: int) -> float:
        """The share of the schedule that is behind after `step` updates."""
        done = (step - self.from_step) / max(1, self.steps - self.from_step)
        return self.from_progress + (1 - self.from_progress) * min(1.0, done)

    def rate(self, step: int, config: TrainingConfig) -> float:
        """The learning rate of the update that follows `step` updates."""
        rising = self.progress(step + 1) / config.warmup if config.warmup else 1.0
        falling = (1 - self.progress(step)) / (1 - config.warmup)
        return config.learning_rate * min(1.0, rising, falling)

    def evaluation_is_due(self, step: int) -> bool:
        """Whether the validation rows are scored after this step."""
        return step >= self.steps or step // self.evaluate_every > (step - 1) // self.evaluate_every

    def evaluations_after(self, step: int) -> int:
        """Evaluations that are still to come."""
        return sum(self.evaluation_is_due(one) for one in range(step + 1, self.steps + 1))

    def revised(self, step: int, steps: int) -> Plan:
        """The plan from `step` on, with another number of all updates; the rate has no jump."""
        steps = max(min(steps, self.most_steps or steps), step + 1)
        return replace(self, steps=steps, from_step=step, from_progress=self.progress(step))


def steps_per_epoch(rows: int, batch_size: int, accumulate: int) -> int:
    """Updates of one epoch over `rows` rows."""
    return math.ceil(rows / (batch_size * accumulate))


def plan_epochs(rows: int, config: TrainingConfig) -> Plan:
    """The plan of a training without a budget."""
    per_epoch = steps_per_epoch(rows, config.batch_size, config.accumulate)
    steps = max(1, round(config.epochs * per_epoch))
    # No more evaluations than steps: with few rows an epoch may have a single step.
    return Plan(steps, config.batch_size, max(1.0, per_epoch / config.evaluations_per_epoch))
