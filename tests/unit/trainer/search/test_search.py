"""A search with a tiny base: interrupted, continued, and its best settings trained again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from shared.errors import SettingsError
from shared.settings import load_settings
from tests.support.tiny import tiny_base, write_data
from trainer.__main__ import app
from trainer.data.readers import read_examples
from trainer.models.train import Job, prepare
from trainer.search import search as searching
from trainer.search import trial
from trainer.search.study import open_search
from trainer.settings import TrainerEnvironment

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models.train import Prepared
    from trainer.settings import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TRIALS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base/ and data.parquet."""
    folder = tmp_path_factory.mktemp("search")
    tiny_base(folder / "base")
    write_data(folder / "data.parquet")
    return folder


@pytest.fixture(scope="module")
def job(folder: Path) -> tuple[Prepared, TrainerSettings]:
    """What a search needs."""
    flags = {
        "trainer.base": str(folder / "base"),
        "trainer.learning_rate": 3e-3,
        "trainer.epochs": 2,
        "trainer.test_rows": 60,
        "trainer.validation_fraction": 0.2,
        "trainer.precision": "fp32",
        "trainer.device": "cpu",
    }
    settings = load_settings(TrainerEnvironment, flags=flags, environ={}).trainer
    job = Job(examples=read_examples(folder / "data.parquet"), output=folder / "tuned.yaml")
    return prepare(job, settings), settings


def values_of(output: Path, identity: str) -> list[tuple[dict[str, Any], float | None]]:
    """Settings and value of each trial that counts."""
    with open_search(searching.study_path(output), identity, maximise=True, seed=0) as found:
        return [(trial.params, trial.value) for trial in found.done()]


def test_an_interrupted_search_goes_on_and_its_best_trial_can_be_trained_again(
    folder: Path, job: tuple[Prepared, TrainerSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second trial changes no trial; `train --config` has the best validation figure, exactly."""
    prepared, settings = job
    limits = searching.Limits(TRIALS, None)
    whole, output = tmp_path / "whole.yaml", tmp_path / "best.yaml"
    expected = searching.search(prepared, settings, whole, limits)

    with monkeypatch.context() as patch:
        patch.setattr(searching, "run_trial", _InterruptedAt(2))
        with pytest.raises(KeyboardInterrupt):
            searching.search(prepared, settings, output, limits)
    assert yaml.safe_load(output.read_bytes())["trainer"]["learning_rate"] == 0.003  # of the first trial
    found = searching.search(prepared, settings, output, limits)

    identity = searching.identity(prepared)
    assert values_of(output, identity) == values_of(whole, identity)
    assert (found.best, found.value, found.trials) == (expected.best, expected.value, TRIALS)
    assert output.read_bytes() == whole.read_bytes()
    page = searching.page_path(output).read_text(encoding="utf-8")
    assert "Best settings" in page
    assert "All trials that count" in page

    app(
        ["train", "--config", str(output), "--data", str(folder / "data.parquet"), "--device", "cpu",
         "--output", str(tmp_path / "model")],
        standalone_mode=False,
    )  # fmt: skip
    training = json.loads((tmp_path / "model" / "metrics.json").read_bytes())["training"]
    best = next(one for one in training["history"] if one["step"] == training["best_step"])
    assert prepared.config.chosen_by == "validation loss"  # of 48 rows
    assert best["validation_loss"] == found.value


class _InterruptedAt:
    """Runs trials, and is interrupted at the one of that number."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return trial.run_trial(*args, **kwargs)


def test_a_search_ends_with_its_budget_and_counts_earlier_runs(
    job: tuple[Prepared, TrainerSettings], tmp_path: Path
) -> None:
    """The clock advances a second at each call; a later run with the same budget has no time left."""
    prepared, settings = job
    output = tmp_path / "best.yaml"
    ticks = iter(range(100_000))
    limits = searching.Limits(100, 12.0)
    first = searching.search(prepared, settings, output, limits, clock=lambda: float(next(ticks)))
    assert 1 <= first.trials < 30
    assert first.seconds <= 12 + 5
    again = searching.search(prepared, settings, output, limits, clock=lambda: float(next(ticks)))
    assert again == first
    with pytest.raises(SettingsError, match="raise --budget"):
        searching.search(
            prepared, settings, tmp_path / "x.yaml", searching.Limits(9, 0.5), clock=lambda: float(next(ticks))
        )


def test_settings_that_diverge_end_their_trial_only(
    job: tuple[Prepared, TrainerSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is not finite is a trial that ended early, with the reason; the search goes on."""
    prepared, settings = job

    def diverged(*_: object, **__: object) -> None:
        raise SettingsError("training diverged")

    output = tmp_path / "best.yaml"
    searching.search(prepared, settings, output, searching.Limits(1, None))
    monkeypatch.setattr(trial, "finetune", diverged)
    found = searching.search(prepared, settings, output, searching.Limits(3, None))
    assert (found.trials, found.pruned) == (3, 2)
    assert "the loss diverged" in searching.page_path(output).read_text(encoding="utf-8")
