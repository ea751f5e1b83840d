"""`compare` from a file to a table, with the command line, tiny models and no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared.errors import InputDataError, SettingsError
from shared.model_folder.artifact import open_artifact
from tests.support.tiny import tiny_base, tiny_model, write_data
from trainer.__main__ import app
from trainer.data.parts import read_parts
from trainer.models.baselines import recipes

if TYPE_CHECKING:
    from pathlib import Path

    from shared.inference.linear.model import Linear


pytestmark = pytest.mark.slow


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate of one pass is enough here."""
    monkeypatch.setattr("trainer.comparison.compare.MIN_MEASURED_S", 0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """300 rows with three labels."""
    return write_data(tmp_path / "data.parquet")


def test_baselines_and_vader_are_compared_on_the_same_rows(data: Path, tmp_path: Path) -> None:
    """JSON, page and chart; each model has its intervals, rate and size, and no text is in them."""
    output = tmp_path / "out"
    run("compare", "--data", data, "--models", "nb,logreg,vader", "--output", output, "--test-rows", 60)
    found = json.loads((output / "comparison.json").read_bytes())
    assert found["rows"] == 60
    assert {row["name"] for row in found["models"]} == {"nb", "logreg", "vader"}
    for row in found["models"]:
        for name, one in row["statistics"].items():
            assert one["low"] <= one["high"], name
        assert row["texts_per_s"] > 0
        assert (row["bytes_on_disk"] is None) is (row["name"] == "vader")
    best = next(row for row in found["models"] if row["name"] == found["best"])
    assert best["behind_best"]["macro_recall"] == {"value": 0, "low": 0, "high": 0}
    page = (output / "comparison.md").read_text(encoding="utf-8")
    assert "| vader |" in page
    assert (output / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_comparison_goes_on_with_what_is_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished models are not fitted again; other data in the same folder are refused."""
    fitted: list[str] = []
    fit = recipes.fit

    def counted(name: str, task: recipes.Task) -> Linear:
        if name == "logreg" and not fitted.count("logreg"):
            fitted.append(name)
            raise RuntimeError("the machine was switched off")
        fitted.append(name)
        return fit(name, task)

    monkeypatch.setattr(recipes, "fit", counted)
    words = ("compare", "--data", data, "--models", "nb,logreg", "--output", tmp_path / "out", "--test-rows", 60)
    with pytest.raises(RuntimeError, match="switched off"):
        run(*words)
    run(*words)
    run(*words)
    assert fitted == ["nb", "logreg", "logreg"]
    with pytest.raises(InputDataError, match="other data, settings or another version"):
        run(*words[:-1], 50)


def test_a_folder_with_other_labels_is_refused_before_anything_is_trained(data: Path, tmp_path: Path) -> None:
    """It cannot answer the same question."""
    other = tiny_model(tmp_path / "other", ("bad", "good"))
    with pytest.raises(SettingsError, match="has the labels 'bad', 'good'"):
        run("compare", "--data", data, "--models", f"nb,{other}", "--output", tmp_path / "out")
    assert not (tmp_path / "out" / "nb" / "model").exists()


@pytest.mark.usefixtures("one_thread")
def test_a_transformer_is_fine_tuned_and_a_folder_loaded(data: Path, tmp_path: Path) -> None:
    """It says of a folder whether it saw test rows: not the one with the same training rows; unknown of others."""
    base = tiny_base(tmp_path / "base")
    stranger = tiny_model(tmp_path / "stranger")
    common = ("--data", data, "--test-rows", 60)
    run("train", "--model", "nb", *common, "--output", tmp_path / "mine")
    run("compare", *common, "--models", f"{base},{stranger},{tmp_path / 'mine'}", "--output", tmp_path / "out",
        "--epochs", 1, "--precision", "fp32", "--device", "cpu")  # fmt: skip
    found = {row["name"]: row for row in json.loads((tmp_path / "out" / "comparison.json").read_bytes())["models"]}
    assert found[str(base)]["seen"] is None
    assert found[str(base)]["train_s"] > 0
    assert found[str(stranger)]["seen"].startswith("not known")
    assert found[str(tmp_path / "mine")]["seen"] == "no: trained on the same rows"


@pytest.mark.usefixtures("one_thread")
def test_few_labels_have_a_linear_head_as_in_train(tmp_path: Path) -> None:
    """On the same test rows as the other models."""
    data = write_data(tmp_path / "few.parquet", 120)
    output = tmp_path / "out"
    run("compare", "--data", data, "--models", f"nb,{tiny_base(tmp_path / 'base')}", "--output", output)
    models = [open_artifact(output / name / "model") for name in ("nb", "base")]
    assert models[1].manifest.training["head"] == "linear"
    assert len({json.dumps(read_parts(one)["test"]) for one in models}) == 1
