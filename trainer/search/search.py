"""Runs trials until their number or the time is reached; keeps the best settings as a file after each."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
import structlog
from optuna.trial import TrialState

from shared.errors import SettingsError
from trainer.data.parts import PARTS
from trainer.search.files import write_page, write_settings
from trainer.search.space import space_around
from trainer.search.study import SECONDS, open_search
from trainer.search.trial import BudgetSpentError, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainer.models.train import Prepared
    from trainer.search.space import Space, Values
    from trainer.search.study import Search
    from trainer.settings import TrainerSettings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends; both count over all runs with one study."""

    trials: int
    budget_s: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a search so far."""

    best: Values
    value: float
    usual_value: float | None
    """Of the settings without a search; None if that trial had no value."""
    trials: int
    pruned: int
    seconds: float


def search(
    prepared: Prepared,
    settings: TrainerSettings,
    output: Path,
    limits: Limits,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Runs what is left of a search and writes the best settings to `output`; raises SettingsError without any."""
    space = space_around(prepared)
    with open_search(
        study_path(output),
        identity(prepared),
        maximise=prepared.config.chosen_by == "macro-recall",
        seed=settings.seed,
    ) as found:
        run = _Run(found, space, prepared, settings, clock)
        while len(found.done()) < limits.trials and run.one(limits.budget_s):
            run.keep(output)
        if not found.complete():
            raise SettingsError("no trial was completed: raise --budget or --trials, or lower --learning-rate")
        run.keep(output)
        return run.outcome()


def study_path(output: Path) -> Path:
    """The study next to the file of settings."""
    return output.with_suffix(".study.db")


def page_path(output: Path) -> Path:
    """The page with history and importance next to the file of settings."""
    return output.with_suffix(".html")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a search."""

    found: Search
    space: Space
    prepared: Prepared
    settings: TrainerSettings
    clock: Callable[[], float]

    def one(self, budget_s: float | None) -> bool:
        """Runs one trial; False if there is no time for one, or the time ended during it."""
        left_s = None if budget_s is None else budget_s - self.found.spent_s()
        if left_s is not None and left_s <= self._expected_s():
            log.info("budget_spent", left_s=round(max(left_s, 0.0), 1))
            return False
        trial = self.found.next_trial(self.space)
        values = self.space.suggest(trial)
        log.info("trial", number=len(self.found.done()) + 1, **values)
        try:
            value = run_trial(trial, values, self.prepared, self.settings, left_s=left_s, clock=self.clock)
        except BudgetSpentError:
            self.found.study.tell(trial, state=TrialState.FAIL)
            log.info("budget_spent", left_s=0.0)
            return False
        except optuna.TrialPruned as pruned:
            self.found.study.tell(trial, state=TrialState.PRUNED)
            log.info("trial_pruned", reason=str(pruned))
            return True
        self.found.study.tell(trial, value)
        log.info("trial_complete", value=round(value, 4), best=round(self.found.study.best_value, 4))
        return True

    def _expected_s(self) -> float:
        """The mean time of a complete trial: one that is not likely to be completed is not begun."""
        complete = self.found.complete()
        return sum(trial.user_attrs[SECONDS] for trial in complete) / len(complete) if complete else 0.0

    def keep(self, output: Path) -> None:
        """Writes the best settings and the page, once there is a complete trial."""
        if self.found.complete():
            outcome = self.outcome()
            measure = self.prepared.config.chosen_by
            title = f"{measure} {outcome.value:.4f} on the validation rows"
            write_settings(output, self.settings, outcome.best, title)
            write_page(page_path(output), self.found, self.space, measure)

    def outcome(self) -> Outcome:
        """The result so far; needs a complete trial."""
        best, done = self.found.study.best_trial, self.found.done()
        return Outcome(
            best=self.space.suggest(optuna.trial.FixedTrial(best.params)),
            value=self.found.study.best_value,
            usual_value=done[0].value,
            trials=len(done),
            pruned=sum(trial.state is TrialState.PRUNED for trial in done),
            seconds=self.found.spent_s(),
        )


def identity(prepared: Prepared) -> str:
    """Distinguishes searches: a digest of all that can change the value of a trial, and the ranges."""
    parts = sorted((name, getattr(prepared.sample.splits, name).fingerprint()) for name in PARTS)
    base = prepared.base
    # Threads change the last bits only, and a search may go on on another machine.
    training = {name: value for name, value in prepared.training.items() if name != "threads"}
    whole = f"{base.name} {base.revision} {prepared.max_tokens} {parts} {training}"
    return hashlib.sha256(whole.encode()).hexdigest()


def check_output(output: Path) -> None:
    """Raises SettingsError for a path that is no YAML file; call before the data are prepared."""
    if output.suffix not in {".yaml", ".yml"} or output.is_dir():
        raise SettingsError(f"--output {output} must be a file of settings that ends in .yaml")
