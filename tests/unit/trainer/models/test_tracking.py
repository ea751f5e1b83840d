"""What TensorBoard and MLflow are sent can be read back there, and a service that fails ends no training."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from structlog.testing import capture_logs
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from shared.errors import SettingsError
from tests.support.tiny import tiny_base, write_data
from trainer.__main__ import app
from trainer.models.tracking import EXPERIMENT, Where, tracking

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader"),  # of MLflow 3.17 with SQLAlchemy 2.1
]

FIGURES = {"train/loss", "train/learning_rate", "validation/loss", "validation/macro_recall", "test/accuracy"}


def run(folder: Path, where: Where) -> None:
    """Trains a tiny model with the command line."""
    tiny_base(folder / "base")
    write_data(folder / "data.parquet", 900)
    words = ("train", "--data", folder / "data.parquet", "--base", folder / "base", "--output", folder / "model",
             "--epochs", 2, "--precision", "fp32", "--device", "cpu", "--no-behaviour",
             "--report-to", where)  # fmt: skip
    app([str(word) for word in words], standalone_mode=False)


def test_tensorboard_has_settings_and_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder next to the model: the model's own folder is sealed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run(tmp_path, "tensorboard")
    events = EventAccumulator(str(tmp_path / "model.tensorboard")).Reload()
    assert set(events.Tags()["scalars"]).issuperset(FIGURES)
    assert events.Tags()["tensors"] == ["settings/text_summary"]
    assert len(events.Scalars("validation/loss")) == 4


def test_mlflow_has_settings_and_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run that has the name of the output folder and is finished."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    run(tmp_path, "mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("model", "FINISHED")
    assert found.data.metrics.keys() >= FIGURES
    assert found.data.params["seed"] == "0"
    assert len(client.get_metric_history(found.info.run_id, "validation/loss")) == 4


def test_a_failed_training_is_a_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error passes through."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(KeyError), tracking("mlflow", tmp_path / "model"):
        raise KeyError
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FAILED"


def test_a_server_that_fails_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and nothing more is sent."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    calls = []

    def away(*_args: object, **_options: object) -> None:
        calls.append(1)
        raise MlflowException("away")

    with capture_logs() as lines, tracking("mlflow", tmp_path / "model") as tracker:
        assert tracker is not None
        monkeypatch.setattr(mlflow.MlflowClient, "log_metric", away)
        for step in range(3):
            tracker.values(step, {"train/loss": 1.0})
    assert len(calls) == 1
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["tracking_failed"]


@pytest.mark.parametrize(("where", "package"), [("tensorboard", "torch.utils.tensorboard"), ("mlflow", "mlflow")])
def test_a_package_that_is_missing_is_named(
    where: Where, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is trained."""
    monkeypatch.setitem(sys.modules, package, None)
    with (
        pytest.raises(SettingsError, match=r"pip install 'sentiment-stream\[tracking\]'"),
        tracking(where, tmp_path),
    ):
        pass
