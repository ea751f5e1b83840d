"""From a labelled file to a sealed folder, with the command line, a tiny base and no network."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from shared.errors import ArtifactError, InputDataError, SettingsError
from shared.model_folder.artifact import open_artifact, read_manifest, seal
from shared.text import normalise
from tests.support.plain import plain_model
from tests.support.tiny import tiny_base, tiny_model, write_data
from trainer.__main__ import app
from trainer.data.parts import read_parts
from trainer.data.readers import read_examples
from trainer.evaluation import evaluate as evaluation
from trainer.evaluation.model_card import CARD
from trainer.evaluation.report import read_report
from trainer.evaluation.serving import Served, serve
from trainer.models.model_folder import check_output, replacing
from trainer.models.transformer.predict import predict
from trainer.models.transformer.schedule import budget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

LABELS = ("negative", "neutral", "positive")


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Downloads would go here, if there were any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.parquet, base/, held-out.parquet and model/, made by the command line."""
    folder = tmp_path_factory.mktemp("trained")
    tiny_base(folder / "base")
    write_data(folder / "data.parquet")
    run("train", "--data", folder / "data.parquet", "--base", folder / "base", "--output", folder / "model",
        "--held-out", folder / "held-out.parquet", "--test-rows", 60, "--epochs", 2, "--learning-rate", 3e-3,
        "--precision", "fp32", "--device", "cpu")  # fmt: skip
    return folder


def run(*words: object) -> None:
    """Runs one command line in this process; errors are raised unchanged."""
    app([str(word) for word in words], standalone_mode=False)


def test_the_model_is_sealed_and_loads_in_plain_transformers(trained: Path) -> None:
    """Labels, problem type and normaliser are there, no pickle is, and the readable files have the figures."""
    manifest = open_artifact(trained / "model").manifest
    assert manifest.labels == LABELS
    assert manifest.base.name == "base"
    assert manifest.max_tokens == 64
    assert manifest.metrics["test"]["rows"] == 60
    assert manifest.class_priors is not None
    assert sum(manifest.class_priors.values()) == pytest.approx(1)
    assert manifest.bias is not None
    assert sum(manifest.bias) == pytest.approx(0, abs=1e-9)
    assert manifest.decision is not None
    assert manifest.decision.rule == "macro-recall"
    assert manifest.polarity == {"negative": -1, "neutral": 0, "positive": 1}
    config = AutoModelForSequenceClassification.from_pretrained(trained / "model").config
    assert config.problem_type == "single_label_classification"
    assert config.label2id == {"negative": 0, "neutral": 1, "positive": 2}
    assert sorted(path.name for path in (trained / "model").iterdir()) == [
        "README.md", "config.json", "diagnostics.json", "inspection.json", "metrics.json", "model.safetensors",
        "parts.json", "report.html", "sentiment.json", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip


def test_the_data_report_is_in_the_folder(trained: Path) -> None:
    """It counts the rows of the data, and the HTML report shows it; it has no text."""
    content = (trained / "model" / "inspection.json").read_text(encoding="utf-8")
    data = read_examples(trained / "data.parquet")
    assert json.loads(content)["used"] == len(data)
    page = (trained / "model" / "report.html").read_text(encoding="utf-8")
    assert "near-duplicates" in page.lower()
    assert not any(text in content for text in data.texts)


def test_card_and_metrics_tell_of_the_model_and_quote_no_text(trained: Path) -> None:
    """The card names version, base, parts and figures; no word of the texts is in it."""
    card = (trained / "model" / "README.md").read_text(encoding="utf-8")
    version = open_artifact(trained / "model").version
    for expected in (
        version,
        "`base`",
        "| test | 60 |",
        "macro F1",
        "Quality on `test` (60 rows)",
        "label by label on",
    ):
        assert expected in card
    texts = read_examples(trained / "data.parquet").texts
    assert not any(text in card for text in texts)
    metrics = json.loads((trained / "model" / "metrics.json").read_bytes())
    assert metrics["training"]["rows"]["test"] == 60
    assert len(metrics["evaluations"]["test"]["confusion"]) == 3


def test_held_out_rows_are_exact_and_were_never_trained_on(trained: Path) -> None:
    """60 rows with ids and labels; their number and the parts' add up to all rows."""
    data, held_out = (read_examples(trained / name) for name in ("data.parquet", "held-out.parquet"))
    assert len(held_out) == 60
    label_of = dict(zip(data.ids, data.labels.tolist(), strict=True))
    assert [label_of[row_id] for row_id in held_out.ids] == held_out.labels.tolist()
    rows = json.loads((trained / "model" / "metrics.json").read_bytes())["training"]["rows"]
    assert sum(rows.values()) == len(data)
    manifest = open_artifact(trained / "model").manifest
    assert manifest.data is not None
    assert manifest.data.rows == rows["train"]
    assert manifest.calibration is not None
    assert manifest.calibration.rows == rows["calibration"]


def test_the_parts_of_the_training_are_found_again(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their ids, in the data: `evaluate --part test` has the figures of training; edited data are refused."""
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    artifact = open_artifact(folder)
    before = read_report(artifact)
    held_out = read_examples(trained / "held-out.parquet")
    assert read_parts(artifact)["test"] == held_out.ids
    words = ("evaluate", "--model", folder, "--part", "test", "--device", "cpu", "--precision", "fp32")
    run(*words, "--data", trained / "data.parquet")
    later = read_report(open_artifact(folder)).later[-1]
    assert later.name == "data.parquet (test)"
    assert later.figures.confusion == before.evaluations["test"].confusion
    assert "60 rows" in capsys.readouterr().out
    with pytest.raises(InputDataError, match="60 of the 60 test rows of the model are not in these data"):
        run(*words, "--data", write_csv(tmp_path / "other.csv", rows=9))


def write_csv(path: Path, rows: int, start: int = 0) -> Path:
    """Rows of two labels; no two are near-duplicates."""
    words = ("good", "bad")
    lines = [f"{words[row % 2]} a{row} b{row} c{row},{words[row % 2]}" for row in range(start, start + rows)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path


def test_given_parts_and_a_budget_from_the_command_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts come from their files, the plan is printed first, and card and manifest say what was done."""
    monkeypatch.setattr(budget, "MAX_EPOCHS", 2)
    monkeypatch.setattr(budget, "ENOUGH_STEPS", 1)
    data, test = write_csv(tmp_path / "data.csv", 300), write_csv(tmp_path / "test.csv", 40, start=290)
    validation = write_csv(tmp_path / "validation.csv", 60, start=1_000)
    run("train", "--data", data, "--test", test, "--validation", validation, "--base", trained / "base",
        "--output", tmp_path / "m", "--budget", "10m", "--precision", "fp32", "--device", "cpu",
        "--patience", 1, "--evaluations-per-epoch", 1, "--batch-size", 32, "--accumulate", 2,
        "--freeze", 1)  # fmt: skip
    said = capsys.readouterr().out
    assert "2.0 epochs = 10 steps of 64 rows, about " in said
    assert "of the budget will not be used" in said
    assert "10 training rows are in a given part too (10 with the same text, 0 nearly)" in said
    artifact = open_artifact(tmp_path / "m")
    report = read_report(artifact)
    assert report.training is not None
    assert report.training.rows == {"train": 273, "validation": 60, "calibration": 17, "test": 40}
    assert report.evaluations["test"].rows == 40
    training = artifact.manifest.training
    assert (training["budget"], training["steps"], training["freeze"]) == ("10m", 10, 1)
    assert "- 10 training rows are in a given part too" in (tmp_path / "m" / CARD).read_text(encoding="utf-8")
    monkeypatch.setattr("trainer.models.budget.AFTER_S", 60.0)
    with pytest.raises(SettingsError, match=r"--budget 10s is too small: at least \d+ s are needed here"):
        run("train", "--data", data, "--base", trained / "base", "--output", tmp_path / "n", "--budget", "10s")
    with pytest.raises(SettingsError, match="expected a time such as 90s, 20m, 2h or 1h30m, from 10s to 30d"):
        run("train", "--data", data, "--output", tmp_path / "n", "--budget", "9s")
    with pytest.raises(SettingsError, match="--precision fp16 needs a CUDA GPU"):
        run("train", "--data", data, "--base", trained / "base", "--output", tmp_path / "n", "--device", "cpu",
            "--precision", "fp16")  # fmt: skip


def test_a_result_at_chance_is_said_on_the_card(trained: Path, tmp_path: Path) -> None:
    """Labels that say nothing of the texts, with a lone surrogate in each and held-out rows in a file."""
    lines = [json.dumps({"text": f"a{row} b{row} c{row} \ud83d", "label": f"-{row % 2}"}) for row in range(200)]
    (tmp_path / "d.jsonl").write_text("\n".join(lines), encoding="ascii")
    run("train", "--data", tmp_path / "d.jsonl", "--base", trained / "base", "--output", tmp_path / "m",
        "--held-out", tmp_path / "held.parquet", "--epochs", 1, "--precision", "fp32",
        "--device", "cpu")  # fmt: skip
    assert "do not show that the model is better than chance" in (tmp_path / "m" / CARD).read_text(
        encoding="utf-8"
    )
    assert all(text.startswith("a") and text.isascii() for text in read_examples(tmp_path / "held.parquet").texts)


def test_the_same_seed_gives_the_same_version(trained: Path, tmp_path: Path) -> None:
    """Training again, elsewhere, gives files and settings with the same digest; another seed does not."""
    first = open_artifact(trained / "model")
    for seed, same in ((0, True), (1, False)):
        run("train", "--data", trained / "data.parquet", "--base", trained / "base", "--output", tmp_path / "m",
            "--name", "model", "--test-rows", 60, "--epochs", 2, "--learning-rate", 3e-3, "--precision", "fp32",
            "--device", "cpu", "--seed", seed, "--overwrite", "--resume")  # fmt: skip
        assert (open_artifact(tmp_path / "m").version == first.version) is same
    assert {path.name for path in tmp_path.iterdir()} == {
        "m",
        "cache",
    }  # no checkpoint, no half-made folder


def test_evaluate_writes_its_result_and_keeps_the_version(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the held-out rows it finds exactly the figures of training; the folder stays sealed, with its version."""
    before = open_artifact(trained / "model")
    run(
        *("evaluate", "--model", trained / "model", "--data", trained / "held-out.parquet"),
        *("--device", "cpu", "--precision", "fp32"),
    )
    after = open_artifact(trained / "model")
    assert after.version == before.version
    digest = read_examples(trained / "held-out.parquet").fingerprint()
    engine = read_report(after).later[-1].engine
    assert "fp32" in engine
    assert after.manifest.metrics == before.manifest.metrics | {
        f"held-out.parquet {digest[:12]} {engine}": before.manifest.metrics["test"]
    }
    card = (trained / "model" / "README.md").read_text(encoding="utf-8")
    assert "Measured later on `held-out.parquet` (60 rows)" in card
    assert digest in card
    assert "macro F1" in capsys.readouterr().out


def evaluations(folder: Path) -> dict[str, Any]:
    """The evaluations in metrics.json."""
    metrics = json.loads((folder / "metrics.json").read_bytes())
    return {"test": metrics["evaluations"], "later": {one["sha256"]: one["name"] for one in metrics["later"]}}


def test_no_evaluation_replaces_the_figures_of_training_or_of_other_data(trained: Path, tmp_path: Path) -> None:
    """Files called `test`, of one name, the held-out rows themselves and a second run: all are distinguished."""
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    section = "Quality on `test` (60 rows)"
    card = (folder / CARD).read_text(encoding="utf-8")
    sealed = card[card.index(section) :].split("\n## ")[0]
    before = evaluations(folder)
    expected = dict(before["later"])
    for place, name, word in (("a", "test.csv", "good"), ("b", "test.csv", "bad"), ("a", "`x`\n.csv", "fine")):
        data = tmp_path / place / name
        data.parent.mkdir(exist_ok=True)
        data.write_text(f"text,label\n{word},negative\nthe table,positive\n", encoding="utf-8")
        for _ in range(2):
            run("evaluate", "--model", folder, "--data", data, "--device", "cpu")
        expected[read_examples(data).fingerprint()] = name
    shutil.copy(trained / "held-out.parquet", tmp_path / "test.parquet")
    run("evaluate", "--model", folder, "--data", tmp_path / "test.parquet", "--device", "cpu")
    expected[read_examples(tmp_path / "test.parquet").fingerprint()] = "test.parquet"

    assert evaluations(folder) == {"test": before["test"], "later": expected}
    later = (folder / CARD).read_text(encoding="utf-8")
    assert sealed in later
    assert later.count("Measured later on `test.csv` (2 rows, SHA-256 ") == 2
    assert later.count("Measured later on `test.parquet` (60 rows)") == 1
    assert (
        open_artifact(folder).manifest.metrics["test"] == open_artifact(trained / "model").manifest.metrics["test"]
    )


def test_evaluate_vouches_for_no_weights_that_were_swapped_meanwhile(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights altered after the check, or another whole model: the figures are written nowhere."""
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    before = (folder / "metrics.json").read_bytes()

    def swapped(artifact: Artifact, texts: Sequence[str], **options: Any) -> Served:
        with (artifact.path / "model.safetensors").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\1")
        return serve(artifact, texts, **options)

    monkeypatch.setattr(evaluation, "serve", swapped)
    with pytest.raises(ArtifactError, match=r"model\.safetensors was altered"):
        run("evaluate", "--model", folder, "--data", trained / "held-out.parquet", "--device", "cpu")
    assert (folder / "metrics.json").read_bytes() == before

    seal(folder, read_manifest(folder))

    def replaced(artifact: Artifact, texts: Sequence[str], **options: Any) -> Served:
        found = serve(artifact, texts, **options)
        tiny_model(artifact.path)
        return found

    monkeypatch.setattr(evaluation, "serve", replaced)
    with pytest.raises(ArtifactError, match="replaced by another model"):
        run("evaluate", "--model", folder, "--data", trained / "held-out.parquet", "--no-write", "--device", "cpu")


def test_evaluate_without_writing_leaves_the_folder_alone(trained: Path) -> None:
    """--no-write only prints."""
    before = {path.name: path.read_bytes() for path in (trained / "model").iterdir()}
    run("evaluate", "--model", trained / "model", "--data", trained / "data.parquet", "--no-write")
    assert {path.name: path.read_bytes() for path in (trained / "model").iterdir()} == before


def test_evaluate_refuses_labels_the_model_does_not_know(tmp_path: Path) -> None:
    """Both sides are named."""
    tiny_model(tmp_path / "model")
    (tmp_path / "d.csv").write_text("text,label\nx,joy\ny,positive\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"label 'joy'; its labels are 'negative'.* --label-map joy=LABEL"):
        run("evaluate", "--model", tmp_path / "model", "--data", tmp_path / "d.csv")


def test_predict_equals_one_text_at_a_time_in_plain_transformers(tmp_path: Path) -> None:
    """Batching, padding and sorting change nothing; rows come back in the order of the texts."""
    artifact = open_artifact(tiny_model(tmp_path / "model"))
    model, tokenizer = plain_model(artifact.path)
    texts = ["I love it!", "awful " * 100, "@ann it is &amp; was a table", "", "no"] * 3
    found = predict(model, tokenizer, artifact.manifest, texts)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(texts)))
    plain = AutoTokenizer.from_pretrained(artifact.path)
    for text, row in zip(texts, found, strict=True):
        inputs = plain(normalise(text), truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs).logits[0]
        assert row == pytest.approx(torch.softmax(logits / 1.5, -1).numpy(), abs=1e-5)


def test_an_output_that_is_no_model_is_never_touched(tmp_path: Path) -> None:
    """Files of someone else: refused even with --overwrite; a model needs --overwrite; an empty folder is fine."""
    (tmp_path / "mine").mkdir()
    check_output(tmp_path / "mine", overwrite=False)
    check_output(tmp_path / "new", overwrite=False)
    (tmp_path / "mine" / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(SettingsError, match="files that are not a model"):
        check_output(tmp_path / "mine", overwrite=True)
    tiny_model(tmp_path / "model")
    check_output(tmp_path / "model", overwrite=True)
    with pytest.raises(SettingsError, match="add --overwrite"):
        check_output(tmp_path / "model", overwrite=False)
    (tmp_path / "model" / "notes").mkdir()
    (tmp_path / "model" / "notes" / "labels.csv").write_text("x", encoding="utf-8")
    (tmp_path / "model" / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(SettingsError, match=r"would be lost: link, notes/labels\.csv; move it elsewhere"):
        check_output(tmp_path / "model", overwrite=True)
    (tmp_path / "model" / "sentiment.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="not a valid manifest"):
        check_output(tmp_path / "model", overwrite=True)


NAMES = st.sampled_from(["notes.csv", "sub/a", "sub/deep/b", "model.bin", ".hidden", "config.json.bak", "sub2/c"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strangers=st.sets(NAMES), left=st.sampled_from(["nothing", "old", "fails"]))
def test_a_replacement_deletes_no_file_that_it_did_not_write(
    tmp_path_factory: pytest.TempPathFactory, strangers: set[str], left: str
) -> None:
    """Files that somebody adds while the model trains are all kept, however an earlier run ended."""
    place = tmp_path_factory.mktemp("place")
    tiny_model(place / "model")
    if left == "old":
        shutil.copytree(place / "model", place / ".model.old")
    with suppress(InputDataError), replacing(place / "model") as folder:
        for name in strangers:
            (place / "model" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "model" / name).write_text(f"of {name}", encoding="utf-8")
        if left == "fails":
            raise InputDataError("for the test")
        (folder / "new.txt").write_text("new", encoding="utf-8")

    texts = [path.read_bytes().decode(errors="replace") for path in place.rglob("*") if path.is_file()]
    assert all(texts.count(f"of {name}") == 1 for name in strangers)
    assert (place / "model" / "new.txt").exists() is (left != "fails")
    others = {path.name for path in place.iterdir()} - {"model"}
    assert others == ({".model.kept-1"} if strangers and left != "fails" else set())


def test_a_failed_replacement_leaves_the_old_model(tmp_path: Path) -> None:
    """The old folder stays as it is, and nothing half-written is left next to it."""
    version = open_artifact(tiny_model(tmp_path / "model")).version

    def fail() -> None:
        with replacing(tmp_path / "model") as folder:
            (folder / "config.json").write_text("{}", encoding="utf-8")
            raise InputDataError("for the test")

    with pytest.raises(InputDataError):
        fail()
    assert open_artifact(tmp_path / "model").version == version
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_replacement_that_ends_half_way_loses_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new folder cannot replace it, or the process ended before: the old one is restored."""
    version = open_artifact(tiny_model(tmp_path / "model")).version
    rename = type(tmp_path).rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == ".model.new":
            raise PermissionError
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "rename", refuse)
        with pytest.raises(PermissionError), replacing(tmp_path / "model"):
            pass
    assert open_artifact(tmp_path / "model").version == version

    (tmp_path / "model").rename(tmp_path / ".model.old")
    (tmp_path / ".model.new").mkdir()
    with pytest.raises(InputDataError), replacing(tmp_path / "model"):
        raise InputDataError("for the test")
    assert open_artifact(tmp_path / "model").version == version
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_more_tokens_than_the_base_reads_are_refused(trained: Path, tmp_path: Path) -> None:
    """The tiny base has 128 positions."""
    with pytest.raises(SettingsError, match="--max-tokens 129 is more than the 128"):
        run("train", "--data", trained / "data.parquet", "--base", trained / "base", "--output", tmp_path / "m",
            "--max-tokens", 129)  # fmt: skip


def test_the_report_is_rebuilt_with_the_same_bytes_and_no_text(trained: Path, tmp_path: Path) -> None:
    """The version stays; texts are only in a file outside of the folder, and only if they are asked for."""
    folder = tmp_path / "model"
    shutil.copytree(trained / "model", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    version = open_artifact(folder).version
    run("report", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert open_artifact(folder).version == version
    page = before["report.html"].decode()
    assert version in page
    texts = read_examples(trained / "data.parquet").texts
    assert not any(text in page for text in texts)

    elsewhere = tmp_path / "errors.html"
    run("report", folder, "--output", elsewhere)
    assert elsewhere.read_bytes() == before["report.html"]
    run("report", folder, "--output", elsewhere, "--show-texts", "--data", trained / "data.parquet")
    assert any(text in elsewhere.read_text(encoding="utf-8") for text in texts)
    for words in (("--show-texts", "--data", trained / "data.parquet"), ("--show-texts", "--output", elsewhere)):
        with pytest.raises(SettingsError, match="--show-texts"):
            run("report", folder, *words)

    found = '{"rows": 7, "label_errors": {"listed": [{"text": "secret"}]}}'
    (tmp_path / "found.json").write_text(found, encoding="utf-8")
    run("report", folder, "--inspection", tmp_path / "found.json")
    assert open_artifact(folder).version == version
    assert "secret" not in (folder / "inspection.json").read_text(encoding="utf-8")
    assert "What was found in the data" in (folder / "report.html").read_text(encoding="utf-8")
    with pytest.raises(SettingsError, match="is in the model folder"):
        run("report", folder, "--output", folder / "other.html")


def test_dropout_is_a_setting(trained: Path, tmp_path: Path) -> None:
    """It is in the manifest, and changes the weights."""
    run("train", "--data", trained / "data.parquet", "--base", trained / "base", "--output", tmp_path / "model",
        "--test-rows", 60, "--epochs", 1, "--dropout", 0.4, "--precision", "fp32", "--device", "cpu")  # fmt: skip
    assert open_artifact(tmp_path / "model").manifest.training["dropout"] == 0.4
