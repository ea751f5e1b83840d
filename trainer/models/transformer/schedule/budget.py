"""The first plan of a training with a budget of time: measures a step, and derives epochs and batch from it."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from shared.errors import SettingsError
from trainer.models.distributed.world import ALONE
from trainer.models.transformer.encoding import training_batches
from trainer.models.transformer.schedule.plan import Plan, plan_epochs, steps_per_epoch
from trainer.models.transformer.step import classify, cross_entropy, start, update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainer.data.examples import IntArray
    from trainer.models.distributed.world import World
    from trainer.models.transformer.encoding import Encoded
    from trainer.models.transformer.loss import Loss
    from trainer.models.transformer.step import Measure
    from trainer.models.transformer.training_state import TrainingConfig, TrainingState

BATCHES: Final = (32, 16, 64)
"""Rows of a batch that are tried unless the user chose one, the preferred one first."""
WARM_STEPS: Final = 2
"""Steps before the measured ones: the first allocates memory, and takes longer."""
MEASURED_STEPS: Final = 6
"""Steps that are timed, on batches that are spread over the lengths of an epoch."""
MEASURED_SHARE: Final = 0.04
"""Share of the budget after which no further batch size is tried."""
ENOUGH_STEPS: Final = 1_000
"""With fewer, smaller batches are worth it if they are cheaper; with more, larger ones."""
MUCH_FASTER: Final = 1.3
MAX_EPOCHS: Final = 20
"""Epochs, or ENOUGH_STEPS on few rows, beyond which a larger budget is not used up (decision 22)."""
MIN_STEPS: Final = 20
NO_TIME_S: Final = 1e-6
MAX_EVALUATION_SHARE: Final = 0.1
"""Share of the time that evaluations may take."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured here, for one batch size."""

    batch_size: int
    step_s: float
    """Of an update, the mean over the lengths of an epoch."""
    evaluation_s: float
    """Of one evaluation on all validation rows."""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Times updates and evaluations of a training that has not begun, with a copy of its model."""

    model: Any
    train: Encoded
    validation: Encoded
    config: TrainingConfig
    device: str
    clock: Callable[[], float] = time.monotonic
    world: World = ALONE
    loss: Loss | None = None
    """Cross-entropy with the labels without one."""
    measure: Measure = classify

    def paces(self, chosen: int | None, most_s: float) -> list[Pace]:
        """The pace of the user's batch size, else of several, until `most_s` seconds are over.

        No random number of the training is used.
        """
        began = self.clock()
        found: list[Pace] = []
        with torch.random.fork_rng(devices=[torch.device(self.device)] if self.device == "cuda" else []):
            for batch_size in (chosen,) if chosen else BATCHES:
                if found and (self.clock() - began > most_s or batch_size > len(self.train)):
                    break
                try:
                    found.append(self._pace(batch_size))
                except torch.OutOfMemoryError:
                    if chosen or batch_size == min(BATCHES) or self.world.size > 1:
                        raise
        return found

    def _pace(self, batch_size: int) -> Pace:
        config = replace(self.config, batch_size=batch_size)
        batches = training_batches(self.train.tokens, batch_size * config.accumulate, (config.seed, 0))
        batches.sort(key=lambda rows: max(len(self.train.tokens[row]) for row in rows))
        places = np.linspace(0, len(batches) - 1, min(MEASURED_STEPS, len(batches)) + 2).astype(int)[1:-1]
        chosen = [batches[place] for place in (*[places[-1]] * WARM_STEPS, *places)]
        steps = _Steps(copy.deepcopy(self.model), self.train, config, self.device, chosen, self.loss)
        self.world.send(steps)
        state, step_s = self.world.run(steps)
        began = self.clock()
        self.measure(state, self.validation, config)
        return Pace(batch_size, step_s, self.clock() - began)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The first updates of a training, which all its processes make."""

    model: Any
    train: Encoded
    config: TrainingConfig
    device: str
    batches: list[IntArray]
    """Rows of the updates, of which the first are not timed."""
    loss: Loss | None
    clock: Callable[[], float] = time.monotonic

    def __call__(self, world: World) -> tuple[TrainingState, float]:
        """The state after them, and the seconds of an update."""
        world.use(self.device)
        state = start(self.model, self.train, self.config, self.device, self.plan, world=world)
        loss = self.loss or cross_entropy(self.train, state)
        for rows in self.batches[:WARM_STEPS]:
            update(state, self.train, rows, self.config, loss)
        began = self.clock()
        for rows in self.batches[WARM_STEPS:]:
            last = update(state, self.train, rows, self.config, loss)
        float(last)  # waits for the device
        return state, (self.clock() - began) / (len(self.batches) - WARM_STEPS)

    @property
    def plan(self) -> Plan:
        """For the learning rate, which does not matter here."""
        return plan_epochs(len(self.train), self.config)


def choose_pace(paces: Sequence[Pace], seconds: float) -> Pace:
    """The batch size to train with: the preferred one, unless another does clearly more in the time."""
    first, *others = paces
    enough = seconds / first.step_s >= ENOUGH_STEPS
    for other in others:
        if other.batch_size < first.batch_size and not enough and first.step_s > MUCH_FASTER * other.step_s:
            return other
        rows = other.batch_size / first.batch_size * first.step_s / other.step_s
        if other.batch_size > first.batch_size and rows > MUCH_FASTER and seconds / other.step_s >= ENOUGH_STEPS:
            return other
    return first


def plan_budget(rows: int, config: TrainingConfig, pace: Pace, seconds: float) -> Plan:
    """A plan whose steps and evaluations take `seconds`; raises TooLittleTimeError if that is not enough."""
    per_epoch = steps_per_epoch(rows, pace.batch_size, config.accumulate)
    least = min(MIN_STEPS, per_epoch)
    if seconds < least * pace.step_s + pace.evaluation_s:
        raise TooLittleTimeError(least * pace.step_s + pace.evaluation_s)
    affordable = seconds * MAX_EVALUATION_SHARE / max(pace.evaluation_s, NO_TIME_S)
    most = max(MAX_EPOCHS * per_epoch, ENOUGH_STEPS)
    steps = min((seconds - pace.evaluation_s) / pace.step_s, most)
    evaluations = max(1, int(min(affordable, round(steps / per_epoch * config.evaluations_per_epoch))))
    left = int((seconds - evaluations * pace.evaluation_s) / pace.step_s)
    steps = min(max(least, left), most)
    return Plan(steps, pace.batch_size, max(1.0, steps / evaluations), most_steps=most)


class TooLittleTimeError(SettingsError):
    """The budget is too small; carries the seconds that a training needs besides what comes before and after."""

    def __init__(self, needed_s: float) -> None:
        super().__init__(f"a training needs {needed_s:.0f} s")
        self.needed_s = needed_s
