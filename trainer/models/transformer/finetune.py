"""The training loop: steps, evaluations on the validation rows, best weights, checkpoints.

The loop runs in every process of a training; the first one alone evaluates, decides, reports and saves.

All randomness comes from the seed of the training config: the same config, base, data and number of threads give
the same weights on a CPU, bit for bit, also if training was interrupted and resumed.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from trainer.models.distributed.world import ALONE, World
from trainer.models.transformer.encoding import Encoded, training_batches
from trainer.models.transformer.progress import Silent
from trainer.models.transformer.schedule.plan import plan_epochs
from trainer.models.transformer.step import classify, cross_entropy, evaluate, start, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.data.examples import IntArray
    from trainer.models.transformer.checkpoint import Checkpoint, Saved
    from trainer.models.transformer.loss import Loss
    from trainer.models.transformer.progress import ProgressReporter
    from trainer.models.transformer.schedule.pacer import Pacer
    from trainer.models.transformer.schedule.plan import Plan
    from trainer.models.transformer.step import Measure
    from trainer.models.transformer.training_state import TrainingConfig, TrainingState

REPORT_STEPS: Final = 10
"""Steps between two reports of the loss; each report waits for the device once."""
CHECKPOINT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Saving:
    """When the training state is saved, besides at every evaluation."""

    checkpoint: Checkpoint
    every_s: float = CHECKPOINT_S
    clock: Callable[[], float] = time.monotonic


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch; call before the model's head is made."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for libraries that still use the global generator
    torch.manual_seed(seed)


def finetune(
    model: Any,
    train: Encoded,
    validation: Encoded,
    config: TrainingConfig,
    *,
    device: str,
    reporter: ProgressReporter,
    plan: Plan | None = None,
    pacer: Pacer | None = None,
    loss: Loss | None = None,
    measure: Measure = classify,
    saving: Saving | None = None,
    world: World = ALONE,
) -> TrainingState:
    """Trains on `device` and leaves the best weights in `model`, in fp32; returns the final training state.

    Without a plan it follows the epochs of the config; a pacer may revise the plan on the way. The default loss is
    the cross-entropy with the labels of `train`, and `measure` scores the validation rows. With `saving`, training
    resumes from a saved state, if there is one, and follows the plan of that. All processes of `world` take part.
    Raises SettingsError if it diverges.
    """
    saved = saving.checkpoint.read() if saving else None
    plan = plan or plan_epochs(len(train), config)
    training = _Training(model, train, validation, config, device, plan, pacer, loss, measure, saved)
    # The others score no validation rows.
    world.send(replace(training, validation=validation.take(0)))
    return world.run(partial(training.run, reporter, saving))


@dataclass(frozen=True, slots=True)
class _Training:
    """What every process of a training begins with."""

    model: Any
    train: Encoded
    validation: Encoded
    config: TrainingConfig
    device: str
    plan: Plan
    pacer: Pacer | None
    loss: Loss | None
    measure: Measure
    saved: Saved | None

    def __call__(self, world: World) -> None:
        """The part of a process other than the first."""
        self.run(Silent(), None, world)

    def run(self, reporter: ProgressReporter, saving: Saving | None, world: World) -> TrainingState:
        """Trains until the end; leaves the best weights in the model."""
        world.use(self.device)
        state = start(self.model, self.train, self.config, self.device, self.plan, world=world)
        loss = self.loss or cross_entropy(self.train, state)
        _Loop(self, state, loss, reporter, saving, world).run()
        self.model.load_state_dict(state.best_weights)
        return state


@dataclass(slots=True)
class _Loop:
    """One run of the loop, in one process."""

    training: _Training
    state: TrainingState
    loss: Loss
    reporter: ProgressReporter
    saving: Saving | None
    """None in processes other than the first."""
    world: World
    _saved_at: float = 0.0

    def run(self) -> None:
        """Runs until the plan is done or the patience is exhausted."""
        state, config, train = self.state, self.training.config, self.training.train
        self._resume()
        while not state.finished(config):
            epoch, done = divmod(state.step, state.per_epoch)
            # The order depends on seed and epoch alone, so a resumed epoch goes on with the same batches; in the
            # Trainer of transformers it may not (#11323, #17032).
            size = state.plan.batch_size * config.accumulate
            for rows in training_batches(train.tokens, size, (config.seed, epoch))[done:]:
                self._step(rows)
                if state.finished(config):
                    break

    def _step(self, rows: IntArray) -> None:
        state = self.state
        state.losses.append(update(state, self.training.train, rows, self.training.config, self.loss))
        if state.step % REPORT_STEPS == 0:
            rate = state.plan.rate(state.step, self.training.config)
            self.reporter.step(state.step, state.plan.steps, float(state.losses[-1]), rate)
        revised = self._revised() if self.training.pacer else None
        if revised:
            state.plan = revised
        due = state.plan.evaluation_is_due(state.step)
        if due:
            self._evaluate()
        # After a revision too: it depends on the clock, and a resumed training must not decide otherwise.
        if self.saving and (due or revised or self.saving.clock() - self._saved_at >= self.saving.every_s):
            self._save()

    def _revised(self) -> Plan | None:
        """Another plan, if the pace of the first process calls for it."""
        state, pacer = self.state, self.training.pacer
        return self.world.decide(lambda: pacer.revised(state.plan, state.step) if pacer else None)

    def _evaluate(self) -> None:
        state, training, began = self.state, self.training, time.monotonic()
        found = self.world.decide(
            lambda: evaluate(state, training.validation, training.config, self.loss, training.measure)
        )
        state.keep(found, training.config)
        if training.pacer:
            training.pacer.paused(time.monotonic() - began, evaluation=True)
        latest = len(state.history) - 1
        self.reporter.evaluated(state.history[-1], state.plan.steps, best=state.best == latest)

    def _resume(self) -> None:
        training, pacer = self.training, self.training.pacer
        if training.saved:
            training.saved.restore(self.state)
        self.state.follow(self.state.plan, len(training.train), training.config)
        if self.saving:
            self._saved_at = self.saving.clock()
        if pacer:
            pacer.earlier_s = self.state.used_s
            pacer.start(self.state.plan, self.state.step)

    def _save(self) -> None:
        if self.saving is None:
            return
        began, pacer = self.saving.clock(), self.training.pacer
        if pacer:
            self.state.used_s = pacer.used_s()
        self.saving.checkpoint.save(self.state)
        self._saved_at = self.saving.clock()
        if pacer:
            pacer.paused(self._saved_at - began, evaluation=False)
