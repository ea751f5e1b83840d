"""`train` with few labels: a frozen encoder, a linear head, and an ordinary folder that the engines serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.torch import load_file

from shared.errors import SettingsError
from shared.model_folder.artifact import open_artifact
from tests.support.hub.models import ARCHITECTURES, write_base
from tests.support.tiny import tiny_base, write_data
from trainer.data.readers import read_examples
from trainer.evaluation.evaluate import evaluate
from trainer.evaluation.report import read_report
from trainer.evaluation.serving import serve
from trainer.models.linear.training import wants_linear_head, why_linear
from trainer.models.train import Job, train
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """200 made-up rows of three labels."""
    return read_examples(write_data(tmp_path_factory.mktemp("data") / "rows.parquet", 200))


def _settings(base: Path, **options: Any) -> TrainerSettings:
    return TrainerSettings(base=str(base), device="cpu", **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_folder_serves_the_head_of_any_architecture(
    architecture: str, examples: Examples, tmp_path: Path
) -> None:
    """Given 60 rows, when trained by default, then the encoder is that of the base and the folder is evaluated."""
    base = write_base(tmp_path / "base", architecture)
    few = examples.take(np.arange(60))

    artifact, report = train(Job(few, tmp_path / "model"), _settings(base))

    manifest = open_artifact(tmp_path / "model").manifest
    assert manifest.training["head"] == "linear"
    assert manifest.pooling is not None
    assert manifest.calibration == manifest.data
    assert report.training is not None
    assert report.training.rows["validation"] == report.training.rows["calibration"] == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (base, artifact.path))
    kept = [name for name in before if any(other.endswith(name) for other in after)]
    assert len(kept) > len(before) / 2
    texts = examples.texts[:8]
    together, *alone = (
        serve(artifact, group, device="cpu", precision="fp32").probabilities
        for group in (texts, *([text] for text in texts))
    )
    assert together == pytest.approx(np.concatenate(alone), abs=1e-5)
    measured = evaluate(artifact, examples, "rows", device="cpu", precision="fp32", write=True)
    assert measured.figures.rows == 200
    assert read_report(open_artifact(tmp_path / "model")).later


def test_the_labels_are_learnt_from_few_rows(examples: Examples, tmp_path: Path) -> None:
    """A telling word in each text is enough for a random encoder, and two runs write the same weights."""
    base = tiny_base(tmp_path / "base")
    few = examples.take(np.arange(120))
    for name in ("one", "two"):
        train(Job(few, tmp_path / name, held_out=tmp_path / "held-out.parquet"), _settings(base))
    assert len(read_examples(tmp_path / "held-out.parquet")) == 18
    rest = examples.take(np.arange(120, 200))
    served = serve(open_artifact(tmp_path / "one"), rest.texts, device="cpu", precision="fp32")
    assert served.engine.startswith("openvino")
    assert (served.probabilities.argmax(axis=1) == rest.labels).mean() > 0.6
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.parametrize(
    ("options", "resume", "expected"),
    [
        ({"epochs": 2, "freeze": 1}, False, "trainer.epochs, trainer.freeze: a linear head"),
        ({}, True, "--resume: a linear head"),
    ],
)
def test_options_of_the_training_loop_are_refused(
    options: dict[str, Any], resume: bool, expected: str, examples: Examples, tmp_path: Path
) -> None:
    """Before anything is fitted: they would do nothing."""
    with pytest.raises(SettingsError, match=expected):
        train(
            Job(examples, tmp_path / "model", resume=resume),
            _settings(tmp_path / "base", head="linear", **options),
        )


def test_few_labels_are_below_100_a_label_on_average(tmp_path: Path) -> None:
    """And it is said; a rare label among many rows changes nothing, and the option overrules."""
    examples = read_examples(write_data(tmp_path / "rows.parquet", 300))
    auto = _settings(tmp_path)
    assert not wants_linear_head(examples, auto, resume=False)
    assert wants_linear_head(examples.take(np.arange(296)), auto, resume=False)
    assert why_linear(examples.take(np.arange(296))).startswith(
        "99 rows a label, fewer than 100: the encoder stays"
    )
    assert wants_linear_head(examples, _settings(tmp_path, head="linear"), resume=False)
    few = examples.take(np.arange(30))
    assert not wants_linear_head(few, _settings(tmp_path, head="fine-tune"), resume=False)


@pytest.mark.parametrize(("options", "resume"), [({"epochs": 2}, False), ({"teacher": "of"}, False), ({}, True)])
def test_who_sets_an_option_of_the_training_loop_gets_it(
    options: dict[str, Any], resume: bool, examples: Examples, tmp_path: Path
) -> None:
    """Given few labels and no --head, when --epochs, --teacher or --resume is set, then the head is not linear."""
    few = examples.take(np.arange(30))
    assert not wants_linear_head(few, _settings(tmp_path, **options), resume=resume)
