"""The study of a search: an SQLite file that counts over all runs, and goes on where an earlier run ended."""

from __future__ import annotations

import fcntl
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy.exc import DatabaseError

from shared.errors import InputDataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from trainer.search.space import Space

DONE: Final = (TrialState.COMPLETE, TrialState.PRUNED)
SECONDS: Final = "seconds"
REASON: Final = "reason"
IDENTITY: Final = "identity"
STARTUP_TRIALS: Final = 5
"""Trials before pruning begins: a median of fewer says little."""
PRUNE_FROM: Final = 3
"""Tenths of a trial that are never pruned: the rate rises, and the average of weights is young."""


@dataclass(frozen=True, slots=True)
class Search:
    """An open study."""

    study: optuna.Study
    seed: int

    def done(self) -> list[FrozenTrial]:
        """The trials that count: complete and pruned ones, not those that were interrupted."""
        return self.study.get_trials(deepcopy=False, states=DONE)

    def complete(self) -> list[FrozenTrial]:
        """The trials with a value, in the order they were made."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def spent_s(self) -> float:
        """Seconds of all trials of all runs, interrupted ones up to their last evaluation."""
        return float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in self.study.get_trials(deepcopy=False)))

    def next_trial(self, space: Space) -> optuna.Trial:
        """Begins a trial; the first one has the settings that a training has without a search.

        The sampler depends on the seed and on the trials that are done, so that an interrupted search proposes
        what an uninterrupted one does.
        """
        done = len(self.done())
        if not done:
            self.study.enqueue_trial(space.usual)
        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed + done)
        return self.study.ask()


@contextmanager
def open_search(path: Path, identity: str, *, maximise: bool, seed: int) -> Iterator[Search]:
    """Opens or makes the study; raises SettingsError if it is in use, InputDataError for one of another search.

    A trial that an earlier run did not end is marked as failed: it is made again.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        study = _load(path, maximise=maximise)
        if study.user_attrs.setdefault(IDENTITY, identity) != identity:
            raise InputDataError(
                f"{path} belongs to a search with other settings, base or data; remove it to start again, or "
                "search with the same ones as before"
            )
        study.set_user_attr(IDENTITY, identity)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
            _fail(study, trial)
        yield Search(study, seed)


def _load(path: Path, *, maximise: bool) -> optuna.Study:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=PRUNE_FROM)
    direction = StudyDirection.MAXIMIZE if maximise else StudyDirection.MINIMIZE
    try:
        return optuna.create_study(
            # Without the path in the URL, where `?` and `%` have a meaning.
            storage=optuna.storages.RDBStorage("sqlite:///study", {"creator": partial(sqlite3.connect, path)}),
            study_name="tune",
            direction=direction,
            pruner=pruner,
            load_if_exists=True,
        )
    except (DatabaseError, RuntimeError) as error:  # optuna raises the latter for a study of another version
        raise InputDataError(
            f"{path} is not a study of this version ({type(error).__name__}); remove it"
        ) from None


def _fail(study: optuna.Study, trial: FrozenTrial) -> None:
    if trial.state is TrialState.WAITING:  # it cannot go to FAIL directly
        study.ask()
    study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other processes from the same study."""
    # Not the file itself: closing it would release the locks that SQLite holds on it in this process.
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"another process searches with {path}; wait for it, or choose another --output"
            ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
