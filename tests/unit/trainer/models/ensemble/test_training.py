"""`ensemble` from sealed models to a sealed folder: one way to score it, clear errors, and a student of it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from consumer.__main__ import app as consumer
from shared.errors import ArtifactError, InputDataError, SettingsError
from shared.inference.engines.select import load_scorer
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from tests.support.tiny import LABELS, claim_training, tiny_base, tiny_model, write_data
from trainer.__main__ import app
from trainer.comparison.overlap import seen
from trainer.data.parts import read_parts, write_parts
from trainer.data.readers import read_examples
from trainer.data.sample import draw_sample
from trainer.evaluation.serving import serve
from trainer.models.ensemble.folder import load_ensemble
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TEXTS = ("good W1", "BAD &amp; so", "nothing that is known", "great great w2")


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 rows, two baselines and a transformer with its labels in another order, and their mean and stack."""
    folder = tmp_path_factory.mktemp("shelf")
    data = write_data(folder / "data.parquet")
    for name in ("nb", "logreg"):
        run(
            "train",
            "--model",
            name,
            "--data",
            data,
            "--output",
            folder / name,
            "--test-rows",
            60,
            "--no-behaviour",
        )
    tiny_model(folder / "tiny", LABELS[::-1])
    for method in ("mean", "stack"):
        run("ensemble", *(folder / name for name in ("nb", "logreg", "tiny")), "--data", data, "--test-rows", 60,
            "--method", method, "--no-behaviour", "--device", "cpu", "--output", folder / method)  # fmt: skip
    return folder


def _by_label(folder: Path, texts: tuple[str, ...] = TEXTS) -> NDArray[np.float64]:
    artifact = open_artifact(folder)
    served = serve(artifact, texts, device="cpu", precision="auto")
    return served.probabilities[:, [artifact.manifest.labels.index(label) for label in LABELS]]


@pytest.mark.parametrize("method", ["mean", "stack"])
def test_it_scores_as_the_weighted_mean_of_its_members(method: str, shelf: Path) -> None:
    """Label by label, whatever their order, and calibrated as any model."""
    artifact = open_artifact(shelf / method)
    ensemble = load_ensemble(artifact)
    members = np.stack([_by_label(shelf / name) for name in ("nb", "logreg", "tiny")])
    mean = np.log(np.tensordot(ensemble.weights, members, 1))
    served = serve(artifact, TEXTS, device="cpu", precision="auto")
    raised = np.exp(mean / artifact.manifest.temperature + np.array(artifact.manifest.bias))
    np.testing.assert_allclose(served.probabilities, raised / raised.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(
        served.logits - served.logits[:, :1], mean - mean[:, :1], rtol=1e-3, atol=1e-4
    )  # before calibration, up to a constant
    if method == "mean":
        assert set(ensemble.weights.tolist()) == {1 / 3}
    else:
        assert ensemble.weights.argmin() == 2, "random weights get the least"


def test_the_folder_says_what_it_is_and_what_its_members_saw(shelf: Path) -> None:
    """Card, HTML report and manifest; members keep their own sealed folders."""
    manifest = open_artifact(shelf / "mean").manifest
    assert (manifest.kind, manifest.base.name) == ("ensemble", "mean of 3 models")
    assert manifest.data is None
    assert not manifest.is_adopted
    assert manifest.metrics["test"]["rows"] == 60
    card = (shelf / "mean" / "README.md").read_text(encoding="utf-8")
    for name, saw in (("nb", "no: trained on the same rows"), ("tiny", "not known: it does not say")):
        version = open_artifact(shelf / name).version
        assert open_artifact(shelf / "mean" / "members" / ("1" if name == "nb" else "3")).version == version
        assert f"Member {name} ({version}): weight 0.333" in card
        assert f"saw test rows: {saw}" in card
    assert "distils it into one model" in card
    assert "mean of 3 models" in (shelf / "mean" / "report.html").read_text(encoding="utf-8")


def test_evaluate_report_and_compare_take_it_like_any_model(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures are written without a new version; the table says what its members saw."""
    monkeypatch.setattr("trainer.comparison.compare.MIN_MEASURED_S", 0.0)
    folder = shutil.copytree(shelf / "mean", tmp_path / "mean")
    version = open_artifact(folder).version
    run("evaluate", "--model", folder, "--data", shelf / "data.parquet", "--part", "test")
    run("report", folder)
    assert open_artifact(folder).version == version
    assert "mean of 3 models: nb, fp64, logreg, fp64" in (folder / "README.md").read_text(encoding="utf-8")
    run("compare", "--data", shelf / "data.parquet", "--test-rows", 60, "--models", f"nb,{folder}", "--output",
        tmp_path / "out")  # fmt: skip
    found = {row["name"]: row for row in json.loads((tmp_path / "out" / "comparison.json").read_bytes())["models"]}
    assert found[str(folder)]["seen"].startswith("not known")
    assert found[str(folder)]["version"] == version


def test_what_one_member_saw_the_ensemble_saw(shelf: Path, tmp_path: Path) -> None:
    """Rows of any member's parts count, once each."""
    splits = draw_sample(read_examples(shelf / "data.parquet"), TrainerSettings(test_rows=60)).splits
    tiny_model(tmp_path / "knows")
    parts = {"train": splits.test.take(np.arange(3)), "validation": splits.test.take(np.arange(2, 5))}
    write_parts(tmp_path / "knows", _replaced(splits, parts))
    seal(tmp_path / "knows", read_manifest(tmp_path / "knows"))
    run("ensemble", shelf / "nb", tmp_path / "knows", "--data", shelf / "data.parquet", "--test-rows", 60,
        "--no-behaviour", "--device", "cpu", "--output", tmp_path / "both")  # fmt: skip
    assert seen(open_artifact(tmp_path / "both"), splits) == "yes: 5 of 60 test rows"
    assert read_parts(open_artifact(tmp_path / "both"))["test"] == splits.test.ids


def test_stacking_on_rows_that_a_member_was_trained_on_is_refused(shelf: Path, tmp_path: Path) -> None:
    """It would be favoured; the mean only says so."""
    tiny_model(tmp_path / "other")
    splits = draw_sample(read_examples(shelf / "data.parquet"), TrainerSettings(test_rows=60)).splits
    write_parts(tmp_path / "other", _replaced(splits, {"train": splits.calibration}))
    seal(tmp_path / "other", read_manifest(tmp_path / "other"))
    words = ("ensemble", shelf / "nb", tmp_path / "other", "--data", shelf / "data.parquet", "--test-rows", 60,
             "--no-behaviour", "--device", "cpu", "--output", tmp_path / "out")  # fmt: skip
    with pytest.raises(InputDataError, match=r"--method stack: tiny .* was trained on 14 of the calibration rows"):
        run(*words, "--method", "stack")
    assert not (tmp_path / "out").exists()
    run(*words)
    assert "saw calibration rows: yes" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def _replaced(splits: Any, parts: dict[str, Any]) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    empty = splits.test.take(np.arange(0))
    return replace(splits, **{"train": empty, "validation": empty, "calibration": empty, "test": empty, **parts})


def test_models_that_do_not_fit_are_refused(shelf: Path, tmp_path: Path) -> None:
    """Other labels, one model twice, one model alone: before anything is written."""
    data = ("--data", shelf / "data.parquet", "--output", tmp_path / "out")
    other = tiny_model(tmp_path / "other", ("bad", "good"))
    with pytest.raises(SettingsError, match="has the labels 'bad', 'good', and these data 'negative'"):
        run("ensemble", shelf / "nb", other, *data)
    with pytest.raises(SettingsError, match=r"is the same model as .* give each once"):
        run("ensemble", shelf / "nb", shutil.copytree(shelf / "nb", tmp_path / "again"), *data)
    with pytest.raises(SettingsError, match="an ensemble has 2 to 50 models, and 1 are given"):
        run("ensemble", shelf / "nb", *data)
    assert not (tmp_path / "out").exists()


def test_an_altered_or_exchanged_member_is_refused(shelf: Path, tmp_path: Path) -> None:
    """Also where somebody sealed the ensemble again after the exchange."""
    folder = shutil.copytree(shelf / "mean", tmp_path / "mean")
    with (folder / "members" / "2" / "vocabulary.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ArtifactError, match="was altered after training"):
        open_artifact(folder)
    shutil.rmtree(folder / "members" / "2")
    shutil.copytree(shelf / "nb", folder / "members" / "2")
    artifact = seal(folder, read_manifest(folder))
    with pytest.raises(ArtifactError, match=r"member 2 has the version .* was sealed"):
        serve(artifact, TEXTS, device="cpu", precision="auto")


def test_the_version_is_that_of_members_weights_and_calibration(shelf: Path, tmp_path: Path) -> None:
    """Figures that are later added to a member, or to the ensemble, leave it; other weights do not."""
    member = shutil.copytree(shelf / "nb", tmp_path / "nb")
    run("evaluate", "--model", member, "--data", shelf / "data.parquet")
    run("ensemble", member, shelf / "logreg", shelf / "tiny", "--data", shelf / "data.parquet", "--test-rows", 60,
        "--no-behaviour", "--device", "cpu", "--name", "mean", "--output", tmp_path / "again")  # fmt: skip
    assert open_artifact(tmp_path / "again").version == open_artifact(shelf / "mean").version
    assert open_artifact(shelf / "stack").version != open_artifact(shelf / "mean").version


def test_the_consumer_refuses_it_and_says_what_to_do(shelf: Path) -> None:
    """In one line, whatever the command."""
    with pytest.raises(
        ArtifactError, match=r"holds an ensemble \(mean of 3 models\), which is not served: distil"
    ):
        load_scorer(open_artifact(shelf / "mean"))
    with pytest.raises(ArtifactError, match=r"sentiment-trainer train --teacher .*mean$"):
        consumer(["score", "--model", str(shelf / "mean"), "a text"], standalone_mode=False)


def test_a_student_of_the_ensemble_is_an_ordinary_model(shelf: Path, tmp_path: Path) -> None:
    """It learns the calibrated mean, in its own order of labels, and is served."""
    run("train", "--base", tiny_base(tmp_path / "base"), "--teacher", shelf / "mean", "--data",
        shelf / "data.parquet", "--test-rows", 60, "--epochs", 1, "--learning-rate", 3e-3, "--precision", "fp32",
        "--device", "cpu", "--cache-dir", tmp_path / "cache", "--no-behaviour", "--output",
        tmp_path / "student")  # fmt: skip
    artifact = open_artifact(tmp_path / "student")
    version = open_artifact(shelf / "mean").version
    assert artifact.manifest.training["teacher"].startswith(f"mean {version} ")
    assert (tmp_path / "cache" / "teachers" / f"{version}.safetensors").is_file()
    assert load_scorer(artifact, "cpu", "fp32").model.version == artifact.version


def test_an_ensemble_of_models_that_all_saw_the_same_rows_says_so(shelf: Path, tmp_path: Path) -> None:
    """Then it has training data of its own to name, and `compare` knows that no test row was seen."""
    claim_training(tiny_model(tmp_path / "mine"), shelf / "data.parquet")
    run("train", "--model", "nb", "--data", shelf / "data.parquet", "--output", tmp_path / "nb", "--no-behaviour")
    run("ensemble", tmp_path / "mine", tmp_path / "nb", "--data", shelf / "data.parquet", "--no-behaviour",
        "--device", "cpu", "--output", tmp_path / "both")  # fmt: skip
    artifact = open_artifact(tmp_path / "both")
    splits = draw_sample(read_examples(shelf / "data.parquet"), TrainerSettings()).splits
    assert artifact.manifest.data is not None
    assert artifact.manifest.class_priors is not None
    assert seen(artifact, splits) == "no: trained on the same rows"
