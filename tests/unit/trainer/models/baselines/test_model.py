"""A baseline in its sealed folder: the same answers, no code, and clear errors for what does not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from shared.errors import ArtifactError, SettingsError
from shared.inference.engines.select import load_scorer
from shared.inference.linear.model import VOCABULARY, WEIGHTS
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from shared.model_folder.manifest import Base, Manifest, Normaliser
from shared.text import NORMALISER_VERSION, NormaliserOptions
from tests.support.tiny import LABELS, write_data
from trainer.__main__ import app
from trainer.data.examples import Examples
from trainer.data.readers import read_examples
from trainer.evaluation.serving import serve
from trainer.models.baselines.model import Baseline
from trainer.models.baselines.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


LABEL_WORDS = ("bad", "so-so", "good")


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of 300 rows."""
    return write_data(tmp_path_factory.mktemp("data") / "data.parquet")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An NBSVM with characters, made by the command line."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    run("train", "--model", "nbsvm", "--characters", "--remove-stop-words", "--data", data, "--output", folder,
        "--test-rows", 60)  # fmt: skip
    return folder


@cache
def fitted(name: str) -> Baseline:
    """A baseline in memory, of made-up texts."""
    chance = np.random.default_rng(1)
    gold = np.arange(60) % 3
    texts = tuple(f"{LABEL_WORDS[one]} W{chance.integers(0, 9)}" for one in gold)
    examples = Examples(texts, gold, LABELS, tuple(map(str, range(60))), "made up")
    model = Baseline(name, NormaliserOptions(lowercase=True), characters=3 if name == "logreg" else 0)
    model.fit(examples, examples)
    return model


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_a_reloaded_baseline_gives_identical_probabilities(
    name: str, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Bit for bit, also for odd texts, and each text by itself."""
    model = fitted(name)
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder)
    seal(folder, _manifest(model))
    again = Baseline.load(folder)
    texts = [*texts, "A good W1", "not so-so at all"]
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))
    np.testing.assert_array_equal(again.predict_proba(texts[-1:]), again.predict_proba(texts)[-1:])


@pytest.mark.slow
def test_the_folder_has_arrays_and_json_and_says_what_it_is(trained: Path) -> None:
    """Arrays, JSON and pages, none of them a pickle; the manifest has kind, preprocessing and temperature."""
    manifest = open_artifact(trained).manifest
    assert sorted(manifest.files) == [
        "README.md", "config.json", "diagnostics.json", "inspection.json", "metrics.json", WEIGHTS, "parts.json",
        "report.html", VOCABULARY,
    ]  # fmt: skip
    assert manifest.kind == "baseline"
    assert manifest.normaliser.options == NormaliserOptions(lowercase=True, remove_stop_words=True)
    assert manifest.metrics["test"]["rows"] == 60
    assert manifest.calibration is not None
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "the baseline `nbsvm`" in card
    assert "`sentiment-consumer` loads this folder as it is, and computes it on the CPU with numpy" in card
    assert json.loads((trained / "metrics.json").read_bytes())["training"]["best_step"] is None


@pytest.mark.slow
def test_evaluate_takes_a_baseline_and_keeps_its_version(trained: Path, data: Path) -> None:
    """The figures go into the folder."""
    before = open_artifact(trained).version
    run("evaluate", "--model", trained, "--data", data)
    assert open_artifact(trained).version == before
    assert "scored by nbsvm, fp64" in (trained / "README.md").read_text(encoding="utf-8").lower()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_version(trained: Path, data: Path, tmp_path: Path) -> None:
    """So a fit depends on the data and the settings only."""
    run("train", "--model", "nbsvm", "--characters", "--remove-stop-words", "--data", data, "--output",
        tmp_path / "model", "--test-rows", 60)  # fmt: skip
    assert open_artifact(tmp_path / "model").version == open_artifact(trained).version


@pytest.mark.slow
def test_a_text_without_a_word_has_no_score(trained: Path) -> None:
    """As with a transformer: any label would be arbitrary."""
    served = serve(open_artifact(trained), ["good", " ", "bad"], device="cpu", precision="auto")
    assert served.rows.tolist() == [0, 2]
    assert served.probabilities.shape == (2, 3)


@pytest.mark.slow
def test_the_scorer_gives_the_probabilities_that_were_fitted(trained: Path) -> None:
    """Each text by itself and in a batch, with the label that the manifest decides for."""
    scorer, baseline = load_scorer(open_artifact(trained)), Baseline.load(trained)
    texts = ["good W1", "BAD &amp; so-so", "nothing that is known", "good good good"]
    answers = Scheduler(scorer).score(texts)
    expected = baseline.predict_proba(texts)
    for text, answer, own in zip(texts, answers, expected, strict=True):
        assert isinstance(answer, Score)
        assert answer.probabilities == tuple(own.tolist())
        assert answer.label == baseline.postprocessing.decide(own[None])[0]
        assert Scheduler(scorer).score([text])[0] == answer._replace(computed_tokens=answer.tokens)
    assert [answer.unknown_share for answer in answers if isinstance(answer, Score)][2:] == [1.0, 0.0]
    assert scorer.describe()["engine"] == "nbsvm, fp64"


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "int8"}, {"precision": "bf16"}])
def test_a_baseline_has_one_device_and_precision(options: dict[str, Any], trained: Path) -> None:
    """In one line that says what to do."""
    with pytest.raises(SettingsError, match=r"\(nbsvm\), which computes in fp64 on the CPU: leave out"):
        load_scorer(open_artifact(trained), **options)


@pytest.mark.slow
def test_a_long_text_is_cut_and_says_so(data: Path, tmp_path: Path) -> None:
    """After --max-tokens words; what follows changes nothing."""
    run("train", "--model", "nb", "--max-tokens", 8, "--data", data, "--output", tmp_path / "model",
        "--test-rows", 60)  # fmt: skip
    eight = "good one here and there it is so "
    answers = Scheduler(load_scorer(open_artifact(tmp_path / "model"))).score([eight, eight + "bad"])
    short, long = (one for one in answers if isinstance(one, Score))
    assert (short.truncated, long.truncated) == (False, True)
    assert (short.tokens, long.tokens) == (8, 8)
    assert short.probabilities == long.probabilities


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--model", "vectors", "--characters"), "--characters has no effect on vectors"),
        (("--model", "nb", "--resume"), "--resume: nb has neither an encoder nor a training loop"),
        (("--model", "nb", "--budget", "20m", "--base", "minilm"), "trainer.base, trainer.budget: nb has neither"),
        (("--characters",), "--characters is for baselines"),
    ],
)
def test_options_without_effect_are_refused(
    words: tuple[str, ...], expected: str, data: Path, tmp_path: Path
) -> None:
    """Before anything is fitted."""
    with pytest.raises(SettingsError, match=expected):
        run("train", *words, "--data", data, "--output", tmp_path / "model")


def _shorter(folder: Path) -> None:
    arrays = load_file(folder / WEIGHTS)
    save_file({**arrays, "coefficients": arrays["coefficients"][1:]}, folder / WEIGHTS)


def _infinite(folder: Path) -> None:
    arrays = load_file(folder / WEIGHTS)
    arrays["intercepts"][0] = np.inf
    save_file(arrays, folder / WEIGHTS)


def _twice(folder: Path) -> None:
    names = json.loads((folder / VOCABULARY).read_bytes())
    names["words"][1] = names["words"][0]
    (folder / VOCABULARY).write_text(json.dumps(names), encoding="utf-8")


def _no_list(folder: Path) -> None:
    (folder / VOCABULARY).write_text("{}", encoding="utf-8")


def _no_tensors(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"nothing of the kind")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_shorter, "other shapes"),
        (_infinite, "not finite"),
        (_twice, "an n-gram twice"),
        (_no_list, "ValidationError"),
        (_no_tensors, "SafetensorError"),
    ],
)
def test_files_that_do_not_fit_are_refused_even_if_they_are_sealed(
    spoil: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    """A digest shows that a file is unchanged, not that it was right."""
    model = fitted("nb")
    model.save(tmp_path)
    spoil(tmp_path)
    seal(tmp_path, _manifest(model))
    with pytest.raises(ArtifactError, match=expected):
        Baseline.load(tmp_path)


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    """Before it is loaded."""
    model = fitted("nb")
    model.save(tmp_path)
    seal(tmp_path, _manifest(model))
    _infinite(tmp_path)
    with pytest.raises(ArtifactError, match="was altered after training"):
        Baseline.load(tmp_path)


@pytest.mark.slow
def test_rows_of_the_file_are_the_parts_of_any_model(trained: Path, data: Path) -> None:
    """A baseline has as many rows in its parts as the file, so it can be compared with a transformer."""
    training = read_manifest(trained).training
    parts = ("train_rows", "validation_rows", "calibration_rows", "test_rows")
    assert sum(training[part] for part in parts) == len(read_examples(data))


def _manifest(model: Baseline) -> Manifest:
    return Manifest(
        kind="baseline",
        name="m",
        labels=model.labels,
        normaliser=Normaliser(version=NORMALISER_VERSION, options=model.options),
        max_tokens=model.max_tokens,
        base=Base(name=model.name, revision="test"),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
