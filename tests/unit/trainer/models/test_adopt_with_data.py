"""A model from elsewhere with labelled texts: calibrated, tested, the normaliser compared, exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shared.errors import InputDataError
from shared.inference.engines.openvino.graph import build
from shared.model_folder.artifact import open_artifact
from shared.model_folder.manifest import Decision
from tests.support.hub.models import LABELS, write_classifier
from tests.support.tiny import write_data
from trainer.__main__ import app
from trainer.data.datasets.named import read_data
from trainer.data.examples import Examples, write_examples
from trainer.data.readers import read_examples
from trainer.data.sample import draw_sample
from trainer.evaluation.metrics import confusion_matrix, macro_recall
from trainer.evaluation.model_card import CARD
from trainer.evaluation.report import read_report
from trainer.evaluation.serving import serve
from trainer.models import export
from trainer.models.adopt import Job, adopt
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def adopted(source: Path, output: Path, **options: Any) -> Artifact:
    """Adopts a model on the CPU."""
    return adopt(Job(str(source), output, output.parent, device="cpu", **options))[0]


def test_given_data_it_is_calibrated_tested_and_the_normaliser_is_compared(tmp_path: Path) -> None:
    """Given labelled texts, when adopted, then one half calibrates and the other gives the figures."""
    source = write_classifier(tmp_path / "hub", "bert", labels=("positive", "negative", "neutral"))
    first = adopted(source, tmp_path / "first")
    texts = tuple(f"{word} {number} @user{number} table" for number in range(130) for word in ("good", "awful"))
    # The model's own answers as labels: one in five is wrong, and with the normaliser off it is right otherwise.
    answers = serve(first, texts, device="cpu", precision="fp32").probabilities.argmax(axis=1)
    names = [first.manifest.labels[(answer + (row % 5 == 0)) % 3] for row, answer in enumerate(answers)]
    present = tuple(sorted(set(names)))
    examples = Examples(
        texts, np.array([present.index(name) for name in names]), present, tuple(map(str, range(260))), "made up"
    )
    write_examples(examples, tmp_path / "data.parquet")

    app(
        [
            *("adopt", str(source), "--output", str(tmp_path / "model"), "--device", "cpu"),
            *("--calibrate", str(tmp_path / "data.parquet"), "--decide", "accuracy"),
        ],
        standalone_mode=False,
    )

    artifact = open_artifact(tmp_path / "model")
    report = read_report(artifact)
    assert report.adoption is not None
    assert artifact.manifest.calibration is not None
    assert report.adoption.rows == {"calibration": 130, "test": 130}
    assert artifact.manifest.calibration.rows == 130
    # A model of random weights is not improved by a bias: its own largest logit is right in 0.8 of the rows.
    assert report.evaluations["test"].accuracy > 0.65
    assert artifact.manifest.temperature != 1.0
    assert artifact.manifest.bias is not None
    assert artifact.manifest.decision == Decision(rule="accuracy", weights=(1.0, 1.0, 1.0))
    assert artifact.manifest.polarity == {"negative": -1, "neutral": 0, "positive": 1}
    assert report.postprocessing is not None
    assert report.postprocessing.calibration_rows == report.postprocessing.uncertain.rows == 130
    assert artifact.manifest.reference is not None
    assert artifact.manifest.reference.rows == 260
    normaliser = report.adoption.normaliser
    assert normaliser.accuracy_off == pytest.approx(0.8)
    assert normaliser.rows == 260
    card = (tmp_path / "model" / CARD).read_text(encoding="utf-8")
    assert "**Calibrated:** on 130 rows" in card
    assert "## The normaliser" in card
    assert not any(text in card for text in texts)


def test_an_adopted_model_is_exported_with_any_labelled_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given labels in another order than those of the data, when exported, then rows keep their true labels."""
    monkeypatch.setattr(export, "quantise", lambda artifact, shape, _rows: build(artifact, shape))
    # Random weights in bf16, where the CPU has it, agree on 97 % of the labels.
    monkeypatch.setattr(export, "judge", lambda _: None)
    source = write_classifier(tmp_path / "hub", "bert", labels=("positive", "negative", "neutral"))
    artifact = adopted(source, tmp_path / "model")
    data = write_data(tmp_path / "data.parquet", 1_200)

    exported = export.export_int8(
        artifact.path, read_data(data, TrainerSettings()), TrainerSettings(), calibration_rows=100
    )

    found = exported.manifest.int8
    assert found is not None
    assert found.agreement > 0.9
    splits = draw_sample(read_examples(data), TrainerSettings()).splits
    parts = [getattr(splits, name) for name in export.HELD_OUT]
    answers = serve(artifact, [text for part in parts for text in part.texts], device="cpu", precision="fp32")
    names = [part.label_names[label] for part in parts for label in part.labels]
    gold = np.array([artifact.manifest.labels.index(name) for name in names])
    expected = macro_recall(confusion_matrix(gold, answers.probabilities.argmax(axis=1), 3))
    assert found.macro_recall_fp32 == pytest.approx(float(expected))


def test_too_few_rows_to_calibrate_are_refused(tmp_path: Path) -> None:
    """A temperature of a few rows makes probabilities worse."""
    source = write_classifier(tmp_path / "hub", "bert")
    few = Examples(("good day", "bad day"), np.array([0, 1]), LABELS[:2], ("1", "2"), "made up")
    with pytest.raises(InputDataError, match="2 different texts can be scored, and about 200 are needed"):
        adopted(source, tmp_path / "model", data=few)
    assert not (tmp_path / "model").exists()


def test_labels_of_the_data_must_be_those_of_the_model(tmp_path: Path) -> None:
    """Before anything is written, with the labels that it has."""
    source = write_classifier(tmp_path / "hub", "bert")
    other = Examples(("good day",), np.array([0]), ("joy",), ("1",), "made up")
    with pytest.raises(InputDataError, match=r"does not know the label 'joy'; its labels are 'negative', 'neu"):
        adopted(source, tmp_path / "model", data=other)
