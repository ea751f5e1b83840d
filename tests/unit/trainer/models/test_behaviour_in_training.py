"""The behaviour suite, gates and contrast rows in `train` and `evaluate`, with a tiny base and no network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shared.errors import GatesMissed, SettingsError
from shared.model_folder.artifact import open_artifact
from tests.support.tiny import tiny_base, write_data
from trainer.__main__ import app
from trainer.data.examples import write_examples
from trainer.data.readers import read_examples
from trainer.evaluation.behaviour.suite import sentences
from trainer.evaluation.report import read_report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SUITE_ROWS = 7


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Downloads would go here, if there were any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base/, data.parquet, of which some rows are sentences of the suite, and model/."""
    folder = tmp_path_factory.mktemp("world")
    tiny_base(folder / "base")
    write_data(folder / "data.parquet")
    rows = read_examples(folder / "data.parquet")
    leaked = tuple(text.upper() for text in sentences()[:SUITE_ROWS])
    more = replace(
        rows,
        texts=(*rows.texts, *leaked),
        labels=np.concatenate([rows.labels, np.arange(SUITE_ROWS) % 3]),
        ids=(*rows.ids, *(f"leaked-{row}" for row in range(SUITE_ROWS))),
        sources=None,
    )
    write_examples(more, folder / "data.parquet")
    train(folder, "model", "--contrast-rows", 40)
    return folder


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


def train(folder: Path, output: str, *words: object) -> None:
    """A short training."""
    run("train", "--data", folder / "data.parquet", "--base", folder / "base", "--output", folder / output,
        "--test-rows", 60, "--epochs", 1, "--precision", "fp32", "--device", "cpu", *words)  # fmt: skip


def metrics(folder: Path) -> Any:
    """The content of metrics.json."""
    return json.loads((folder / "metrics.json").read_bytes())


def test_the_result_is_in_the_report_and_the_card(world: Path) -> None:
    """Failure rates with intervals by capability; examples of the suite, and no text of the data."""
    found = metrics(world / "model")["behaviour"]["capabilities"]["negation"]
    assert found["interval"][0] <= found["failures"] / found["cases"] <= found["interval"][1]
    card = (world / "model" / "README.md").read_text(encoding="utf-8")
    assert "## Behaviour" in card
    assert "| negation | " in card


def test_sentences_of_the_suite_are_in_no_part(world: Path) -> None:
    """However they are written; they are counted, in the report and on the card."""
    training = metrics(world / "model")["training"]
    assert training["left_out"]["sentences of the behaviour suite"] == SUITE_ROWS
    assert sum(training["rows"].values()) == 300
    card = (world / "model" / "README.md").read_text(encoding="utf-8")
    assert "7 sentences of the behaviour suite" in card


def test_contrast_rows_are_trained_on_and_are_not_among_the_data(world: Path) -> None:
    """One epoch has more steps for them; the training part has the rows of the data alone, to be found again."""
    manifest = open_artifact(world / "model").manifest
    assert manifest.training["contrast_rows"] == 40
    training = metrics(world / "model")["training"]
    assert manifest.data is not None
    assert manifest.data.rows == training["rows"]["train"]
    assert training["history"][-1]["step"] == -(-(training["rows"]["train"] + 40) // 32)
    assert training["history"][-1]["step"] > -(-training["rows"]["train"] // 32)


def test_a_missed_gate_writes_nothing(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no half-made one; a line for each gate."""
    before = sorted(world.iterdir())
    with pytest.raises(GatesMissed, match="nothing was written to"):
        train(world, "other", "--min-macro-recall", 1, "--max-failures", "negation=0", "--max-failures", "emoji=1")
    assert sorted(world.iterdir()) == before
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("gate missed: ") for line in lines) == 2


def test_gates_on_the_suite_need_it(world: Path) -> None:
    """Said before anything is trained."""
    with pytest.raises(SettingsError, match="leave out --no-behaviour"):
        train(world, "other", "--no-behaviour", "--max-failures", "negation=0.5")


def test_evaluate_runs_the_suite_without_data(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes the result, keeps the version, and then misses the gate."""
    model = world / "model"
    before = open_artifact(model)
    with pytest.raises(GatesMissed, match="misses 1 gate"):
        run("evaluate", "--model", model, "--max-failures", "negation=0", "--device", "cpu", "--precision", "fp32")
    assert "negation" in capsys.readouterr().out
    after = open_artifact(model)
    assert after.version == before.version
    assert read_report(after).behaviour == read_report(before).behaviour


def test_evaluate_runs_the_suite_after_the_data(world: Path) -> None:
    """Both results are in the folder, which stays sealed."""
    run("evaluate", "--model", world / "model", "--data", world / "data.parquet", "--behaviour", "--device", "cpu",
        "--precision", "fp32")  # fmt: skip
    report = read_report(open_artifact(world / "model"))
    assert report.later
    assert report.behaviour


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to evaluate: give --data, --behaviour, or both"),
        (("--behaviour", "--max-ece", 0.1), "need labelled texts; give --data"),
    ],
)
def test_evaluate_says_what_it_lacks(world: Path, words: tuple[object, ...], says: str) -> None:
    """Before anything is scored."""
    with pytest.raises(SettingsError, match=says):
        run("evaluate", "--model", world / "model", *words)
