"""One trial: a training with suggested settings, ended early if it is worse than most others were."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import optuna
import torch

from shared.errors import SettingsError
from trainer.models.recipe import training_config
from trainer.models.transformer.finetune import finetune
from trainer.models.transformer.progress import reporting
from trainer.search.study import REASON, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.models.train import Prepared
    from trainer.models.transformer.progress import ProgressReporter
    from trainer.models.transformer.training_state import ChosenBy, Evaluation
    from trainer.search.space import Values
    from trainer.settings import TrainerSettings

TENTHS: Final = 10
"""Trials are compared at equal shares of their own training: at equal epochs a long one has a higher rate."""


class BudgetSpentError(Exception):
    """The time for the search ended during a trial."""


@dataclass(slots=True)
class _Watch:
    """Reports the evaluations of a trial to the study, and ends the trial by raising."""

    trial: optuna.Trial
    inner: ProgressReporter
    chosen_by: ChosenBy
    left_s: float | None
    clock: Callable[[], float]
    began: float
    reported: int = 0

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        self.inner.step(step, steps, loss, rate)

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        self.inner.evaluated(evaluation, steps, best=best)
        seconds = self.clock() - self.began
        # Also for a trial that is killed: its time counts in the budget.
        self.trial.set_user_attr(SECONDS, round(seconds, 1))
        reached = evaluation.step * TENTHS // steps
        for tenth in range(self.reported + 1, reached + 1):
            self.trial.report(value_of(evaluation, self.chosen_by), tenth)
        self.reported = max(self.reported, reached)
        if reached < TENTHS and self.trial.should_prune():
            raise _pruned(self.trial, "worse than the median")
        if self.left_s is not None and seconds > self.left_s and reached < TENTHS:
            raise BudgetSpentError


def run_trial(
    trial: optuna.Trial,
    values: Values,
    prepared: Prepared,
    settings: TrainerSettings,
    *,
    left_s: float | None,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Trains a copy of the prepared model exactly as `train` does with these settings; returns the best value.

    Raises TrialPruned, with its reason in the study, or BudgetSpentError.
    """
    train, validation = prepared.encoded["train"], prepared.encoded["validation"]
    chosen = settings.model_copy(update=values)
    config = training_config(chosen, prepared.base, prepared.sample.splits, prepared.device, rows=len(train))
    devices = [torch.cuda.current_device()] if prepared.device == "cuda" else []
    with torch.random.fork_rng(devices=devices), reporting() as inner:
        torch.set_rng_state(prepared.random_state)
        if devices:  # on which the head has used no random number
            torch.cuda.manual_seed_all(config.seed)
        watch = _Watch(trial, inner, config.chosen_by, left_s, clock, clock())
        try:
            state = finetune(
                copy.deepcopy(prepared.base.model),
                train,
                validation,
                config,
                device=prepared.device,
                reporter=watch,
                loss=prepared.loss,
            )
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise _pruned(trial, "out of memory") from None
        except SettingsError:  # the only one that the loop raises
            raise _pruned(trial, "the loss diverged") from None
        trial.set_user_attr(SECONDS, round(clock() - watch.began, 1))
    return value_of(state.history[state.best], config.chosen_by)


def value_of(evaluation: Evaluation, chosen_by: ChosenBy) -> float:
    """What the search improves: that by which the training chooses its weights."""
    return evaluation.macro_recall if chosen_by == "macro-recall" else evaluation.validation_loss


def _pruned(trial: optuna.Trial, reason: str) -> optuna.TrialPruned:
    trial.set_user_attr(REASON, reason)
    return optuna.TrialPruned(reason)
