"""`train --model cnn` from a file to a served folder: exact, resumable, compared, taught, and clear in errors."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from shared.errors import InputDataError, SettingsError
from shared.inference.cnn.model import EDGE, UNKNOWN, VOCABULARY, WEIGHTS
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Score, Unscorable
from shared.model_folder.artifact import open_artifact
from shared.text import NormaliserOptions
from tests.support.tiny import tiny_model, write_data
from trainer.__main__ import app
from trainer.data.readers import read_examples
from trainer.evaluation.report import read_report
from trainer.models.cnn.model import CnnModel
from trainer.models.cnn.network import Network
from trainer.models.cnn.training import train_cnn
from trainer.models.cnn.words import learn_words
from trainer.models.train import Job
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.predict import score
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples

pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = NormaliserOptions(lowercase=True)


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of 300 rows."""
    return write_data(tmp_path_factory.mktemp("data") / "data.parquet")


@pytest.fixture(scope="module")
def examples(data: Path) -> Examples:
    """The same rows."""
    return read_examples(data)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CNN, made by the command line."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    run("train", "--model", "cnn", "--data", data, "--output", folder, "--test-rows", 60, "--device", "cpu",
        "--batch-size", 16, "--epochs", 8, "--learning-rate", 5e-3)  # fmt: skip
    return folder


def _settings(**options: Any) -> TrainerSettings:
    known = {"model": "cnn", "epochs": 2, "batch_size": 32, "test_rows": 60, "device": "cpu"}
    return TrainerSettings.model_validate({**known, **options})


def _weights(artifact: Artifact) -> dict[str, Any]:
    return load_file(artifact.path / WEIGHTS)


def test_numpy_answers_as_torch_does() -> None:
    """Rows of any lengths, in one padded batch and one line."""
    torch.manual_seed(0)
    network = Network(50, 3)
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)  # as large as trained ones
    rows = [np.random.default_rng(row).integers(1, 52, length) for row, length in enumerate((1, 2, 3, 7, 40))]
    expected = score(network, [row.astype(np.int32) for row in rows], EDGE)
    found = network.as_arrays([f"w{number}" for number in range(50)]).logits_of(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_rare_words_share_a_number_and_no_row_is_empty() -> None:
    """The most frequent word comes first; a text without a word is one unknown word."""
    reading = learn_words(["good good film", "Good day", "a day"], OPTIONS, None)
    assert reading.words == ("good", "day")
    assert [row.tolist() for row in reading.tokenise(["A good DAY", " "])] == [[UNKNOWN, 2, 3], [UNKNOWN]]
    assert reading.max_tokens == 64
    assert learn_words(["a b a b"], OPTIONS, 3).words == ("a",)
    with pytest.raises(InputDataError, match="no word occurs 2 times"):
        learn_words(["one", "two"], OPTIONS, None)


@pytest.mark.slow
def test_the_folder_is_sealed_calibrated_and_served(trained: Path) -> None:
    """No pickle is in it; the consumer's scorer gives the probabilities of the arrays, and its own label."""
    artifact = open_artifact(trained)
    manifest = artifact.manifest
    assert sorted(manifest.files) == [
        "README.md", "config.json", "diagnostics.json", "inspection.json", "metrics.json", WEIGHTS, "parts.json",
        "report.html", VOCABULARY,
    ]  # fmt: skip
    assert (manifest.kind, manifest.base.name) == ("cnn", "cnn")
    assert manifest.calibration is not None
    assert manifest.reference is None, "24 validation rows are too few to compare a stream with"
    assert read_report(artifact).evaluations["test"].macro_recall > 0.6
    texts = ["good W1", "BAD &amp; so-so", "nothing that is known", "good " * 40]
    scorer, model = load_scorer(artifact), CnnModel.of(artifact)
    answers = Scheduler(scorer).score([*texts, " "])
    assert isinstance(answers.pop(), Unscorable)
    for answer, own in zip(answers, model.predict_proba(texts), strict=True):
        assert isinstance(answer, Score)
        np.testing.assert_allclose(answer.probabilities, own, rtol=1e-4, atol=1e-6)
        assert answer.label == model.postprocessing.decide(np.array([answer.probabilities]))[0]
    assert scorer.describe()["engine"] == "cnn, fp32"
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "the convolutional network `cnn` (`torch " in card
    assert "`sentiment-consumer` loads this folder as it is" in card
    assert "Learning curves" in (trained / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "int8"}])
def test_it_has_one_device_and_precision(options: dict[str, Any], trained: Path) -> None:
    """In one line that says what to do."""
    with pytest.raises(SettingsError, match=r"\(cnn\), which computes in fp32 on the CPU: leave out"):
        load_scorer(open_artifact(trained), **options)


@pytest.mark.slow
def test_it_is_served_without_torch_and_scikit_learn(trained: Path) -> None:
    """So a consumer without either can serve it, and starts as fast."""
    program = (
        "import sys; from pathlib import Path; from shared.inference.engines.select import load_scorer; "
        "from shared.inference.scheduler import Scheduler; "
        "from shared.model_folder.artifact import open_artifact; "
        "print(len(Scheduler(load_scorer(open_artifact(Path(sys.argv[1])))).score(['a good day'])), "
        "[name for name in ('torch', 'transformers', 'sklearn', 'scipy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program, trained], capture_output=True, text=True, check=True)
    assert ran.stdout == "1 []\n"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_others(examples: Examples, tmp_path: Path) -> None:
    """Bit for bit."""
    jobs = [train_cnn(Job(examples, tmp_path / name, behaviour=False), _settings(seed=seed))[0]
            for name, seed in (("a", 1), ("b", 1), ("c", 2))]  # fmt: skip
    first, same, other = map(_weights, jobs)
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["output"], other["output"])


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(
    examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an interruption after the first epoch, when resumed, then nothing differs, with changed copies too."""
    options = _settings(augment="word-dropout=0.5,typos=0.5")
    whole, _ = train_cnn(Job(examples, tmp_path / "whole", behaviour=False), options)
    plain, _ = train_cnn(Job(examples, tmp_path / "plain", behaviour=False), _settings(epochs=1))
    assert _weights(whole)["embeddings"].shape == _weights(plain)["embeddings"].shape, "copies teach no word"
    assert whole.manifest.training["augment"] == "word-dropout=0.5,typos=0.5"
    save = Checkpoint.save

    def save_once(checkpoint: Checkpoint, state: Any) -> None:
        save(checkpoint, state)
        raise KeyboardInterrupt

    job = Job(examples, tmp_path / "cut", resume=True, behaviour=False)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_once)
        with pytest.raises(KeyboardInterrupt):
            train_cnn(job, options)
    with pytest.raises(InputDataError, match="belongs to a training with other settings"):
        train_cnn(job, _settings())
    cut, _ = train_cnn(job, options)
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "cut", "plain"}
    ours, theirs = _weights(whole), _weights(cut)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_it_learns_from_a_teacher_and_is_compared(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an ensemble can be distilled into it; `compare` trains it, and loads it as a folder."""
    monkeypatch.setattr("trainer.comparison.compare.MIN_MEASURED_S", 0.0)
    common = ("--data", data, "--test-rows", 60, "--device", "cpu", "--epochs", 1)
    run("train", "--model", "cnn", *common, "--teacher", tiny_model(tmp_path / "teacher"), "--cache-dir",
        tmp_path / "cache", "--no-behaviour", "--output", tmp_path / "student")  # fmt: skip
    assert open_artifact(tmp_path / "student").manifest.training["teacher"].startswith("tiny ")
    run("compare", *common, "--models", f"nb,cnn,{trained}", "--output", tmp_path / "out")
    found = {row["name"]: row for row in json.loads((tmp_path / "out" / "comparison.json").read_bytes())["models"]}
    assert found["cnn"]["engine"] == "cnn, fp32"
    assert found["cnn"]["train_s"] > 0
    assert found[str(trained)]["seen"] == "no: trained on the same rows"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--base", "minilm", "--budget", "20m"), "trainer.base, trainer.budget: a CNN is trained from nothing"),
        (("--freeze", 2), "trainer.freeze: a CNN"),
        (("--characters",), "--characters is for baselines"),
    ],
)
def test_options_without_effect_are_refused(
    words: tuple[object, ...], expected: str, data: Path, tmp_path: Path
) -> None:
    """Before anything is trained."""
    with pytest.raises(SettingsError, match=expected):
        run("train", "--model", "cnn", *words, "--data", data, "--output", tmp_path / "model")
