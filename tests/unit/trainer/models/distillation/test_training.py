"""`train --teacher`: a shallower student learns from a sealed model, resumes bit for bit, and is served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from shared.errors import InputDataError
from shared.model_folder.artifact import open_artifact
from tests.support.hub.models import write_base
from tests.support.tiny import tiny_model, write_data
from trainer.data.readers import read_examples
from trainer.evaluation.serving import serve
from trainer.models.train import Job, train
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """300 made-up rows."""
    return read_examples(write_data(tmp_path_factory.mktemp("data") / "rows.parquet", 300))


@pytest.fixture(scope="module")
def shelf(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base of four layers, a teacher, and texts without labels."""
    folder = tmp_path_factory.mktemp("shelf")
    write_base(folder / "base", "bert", num_hidden_layers=4)
    tiny_model(folder / "teacher")
    rows = [
        f"a text of its own, number {number} of many, about {text}" for number, text in enumerate(examples.texts)
    ]
    (folder / "texts.jsonl").write_text("".join(f"{json.dumps({'text': row})}\n" for row in rows[:60]))
    return folder


def _settings(shelf: Path, **options: Any) -> TrainerSettings:
    known = {
        "base": str(shelf / "base"),
        "teacher": shelf / "teacher",
        "unlabelled": shelf / "texts.jsonl",
        "layers": 2,
        "epochs": 2,
        "batch_size": 64,
        "learning_rate": 3e-3,
        "precision": "fp32",
        "device": "cpu",
        "cache_dir": shelf / "cache",
    }
    return TrainerSettings.model_validate({**known, **options})


def test_an_interrupted_distillation_ends_with_the_same_weights(
    examples: Examples, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a teacher whose last digits differ from run to run, when resumed, then its first answers are used."""
    settings = _settings(shelf)
    whole, _ = train(Job(examples, tmp_path / "whole", resume=True), settings)
    settings = _settings(shelf, cache_dir=shelf / "another")

    save = Checkpoint.save

    def save_once(checkpoint: Checkpoint, state: Any) -> None:
        save(checkpoint, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_once)
        with pytest.raises(KeyboardInterrupt):
            train(Job(examples, tmp_path / "cut", resume=True), settings)
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "cut.checkpoint.safetensors"}
    with monkeypatch.context() as patch:
        patch.setattr("trainer.models.distillation.answers.scoring", _not_again)
        cut, report = train(Job(examples, tmp_path / "cut", resume=True), settings)

    assert {path.name for path in tmp_path.iterdir()} == {"whole", "cut"}
    weights = [load_file(one.path / "model.safetensors") for one in (whole, cut)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    manifest = open_artifact(tmp_path / "cut").manifest
    assert manifest.training["layers"] == 2
    assert manifest.training["unlabelled_rows"] == 60
    assert manifest.training["teacher"].startswith(f"tiny {open_artifact(shelf / 'teacher').version} ")
    assert report.training is not None
    served = serve(cut, examples.texts[:9], device="cpu", precision="fp32")
    assert served.probabilities.shape == (9, 3)


def _not_again(*_: Any, **__: Any) -> Any:
    raise AssertionError("the teacher was asked again")


def test_a_checkpoint_of_another_teacher_is_refused(
    examples: Examples, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers are part of what the checkpoint belongs to."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.models.train._save", interrupted)
    job = Job(examples, tmp_path / "model", resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(job, _settings(shelf, epochs=1))
    tiny_model(tmp_path / "other", temperature=3.0)
    with pytest.raises(InputDataError, match="belongs to a training with other settings, base or data"):
        train(job, _settings(shelf, epochs=1, teacher=tmp_path / "other"))
