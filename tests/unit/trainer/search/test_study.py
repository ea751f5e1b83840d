"""The study file: proposals do not depend on interruptions, and a study belongs to one search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial, TrialState

from shared.errors import InputDataError, SettingsError
from trainer.search.space import Space
from trainer.search.study import open_search

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.search.space import Values

USUAL = {
    "learning_rate": 1e-4,
    "batch_size": 32,
    "epochs": 3,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "dropout": 0.1,
    "ema_decay": 0.98,
}


def value(values: Values) -> float:
    """A made-up objective with a best learning rate of 3e-4."""
    return float(values["dropout"]) / 100 - float(abs(values["learning_rate"] - 3e-4))


def proposals(path: Path, runs: Sequence[int]) -> list[Values]:
    """The settings of each trial; each run makes this number of trials and ends in the middle of another."""
    space, made = Space(USUAL), []
    for trials in runs:
        with open_search(path, "a", maximise=True, seed=7) as found:
            for _ in range(trials):
                trial = found.next_trial(space)
                made.append(space.suggest(trial))
                if len(made) % 5:
                    found.study.tell(trial, value(made[-1]))
                else:
                    found.study.tell(trial, state=TrialState.PRUNED)
            space.suggest(found.next_trial(space))
    return made


@pytest.mark.slow
def test_an_interrupted_search_proposes_what_an_uninterrupted_one_does(tmp_path: Path) -> None:
    """Also after the first ten trials, which are at random; the first one has the usual settings."""
    whole = proposals(tmp_path / "whole.db", [12])
    parts = proposals(tmp_path / "parts.db", [0, 1, 5, 6])
    assert parts == whole
    assert whole[0] == USUAL
    assert len({tuple(one.values()) for one in whole}) == 12
    with open_search(tmp_path / "parts.db", "a", maximise=True, seed=7) as found:
        assert len(found.done()) == 12
        assert len(found.study.get_trials(states=(TrialState.FAIL,))) == 4


def test_a_study_of_another_search_is_refused(tmp_path: Path) -> None:
    """The path may hold characters that have a meaning in a URL; it is another search if the identity differs."""
    path = tmp_path / "a?b#c%20.study.db"
    with (
        open_search(path, "a", maximise=True, seed=0),
        pytest.raises(SettingsError, match="another process"),
        open_search(path, "a", maximise=True, seed=0),
    ):
        pass
    assert path.exists()
    with (
        pytest.raises(InputDataError, match="other settings, base or data"),
        open_search(path, "b", maximise=True, seed=0),
    ):
        pass


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    """One line that says what to do."""
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(InputDataError, match="is not a study"), open_search(path, "a", maximise=True, seed=0):
        pass
    assert path.read_bytes() == b"not a database" * 100


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {
            "learning_rate": st.floats(1e-6, 0.1),
            "batch_size": st.integers(1, 500),
            "epochs": st.integers(1, 50),
            "warmup": st.floats(0, 0.9),
            "weight_decay": st.floats(1e-4, 1),
            "dropout": st.floats(0, 0.9),
            "ema_decay": st.floats(0, 0.999),
        }
    )
)
def test_the_usual_settings_are_always_in_the_space(usual: Values) -> None:
    """So that the first trial can have them, up to three digits."""
    assert Space(usual).suggest(FixedTrial(usual)) == pytest.approx(usual, rel=0.01)
