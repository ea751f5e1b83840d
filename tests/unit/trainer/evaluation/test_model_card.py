"""The card says what probabilities, label and `uncertain` mean, and what did not work."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from shared.model_folder.manifest import Base, Decision, Manifest, TrainingData
from trainer.evaluation.metrics import figures
from trainer.evaluation.model_card import card
from trainer.evaluation.postprocessing.calibration import TEMPERATURES
from trainer.evaluation.postprocessing.fitting import Rows, Wanted, fit_postprocessing
from trainer.evaluation.report import PostprocessingReport, Report, UncertainThreshold

ROWS = TrainingData(source="made up", rows=120, fingerprint="0" * 64)
MANIFEST = Manifest(
    name="model",
    labels=("bad", "good"),
    max_tokens=64,
    base=Base(name="base", revision="1"),
    data=ROWS,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def section(manifest: Manifest, report: PostprocessingReport | None) -> str:
    """The card's section on probabilities and labels."""
    written = card(manifest, Report(postprocessing=report), "0123456789ab")
    return written[written.index("## Probabilities and labels") :].split("\n## ", 1)[0]


def test_a_calibrated_model_says_by_what() -> None:
    """Given all fields, when the card is written, then it has them, in words."""
    manifest = MANIFEST.model_copy(
        update={
            "calibration": ROWS,
            "temperature": 1.25,
            "bias": (0.5, -0.5),
            "decision": Decision(rule="macro-recall", weights=(2.0, 1.0)),
            "uncertain_below": 0.7,
            "polarity": {"bad": -1},
        }
    )
    threshold = UncertainThreshold(
        wanted_accuracy=0.9, rows=200, rows_above=150, accuracy_above=0.94, lower_bound=0.905
    )
    found = section(manifest, PostprocessingReport(calibration_rows=120, at_bound=False, uncertain=threshold))
    for words in (
        "label by label on 120 rows: temperature 1.250, bias bad +0.500, good -0.500.",
        "for macro-recall: bad 2.000, good 1.000.",
        "below 0.700, so that 90% of the rest are right. Of 200 rows",
        "75% are not uncertain, with an accuracy of 0.940 (95 % confidence: at least 0.905).",
        "bad -1, good none.",
    ):
        assert words in found
    assert "bound**" not in found


def test_a_model_without_data_says_what_is_not_known() -> None:
    """Given no calibration, when the card is written, then it says so, and names the default threshold."""
    found = section(MANIFEST, None)
    assert "the softmax of the logits, not calibrated." in found
    assert "the one with the largest probability." in found
    assert "a score below 0.5, which was not chosen on data." in found


@pytest.mark.parametrize("scale", [200.0, 1.0])
def test_a_fit_at_its_bound_and_an_accuracy_out_of_reach_are_on_the_card(scale: float) -> None:
    """Given logits far too large, when fitted, then the card warns; given chance, then no threshold is claimed."""
    chance = np.random.default_rng(0)
    rows = Rows(scale * chance.normal(size=(2_000, 2)), chance.integers(0, 2, 2_000))
    fitted = fit_postprocessing(rows, rows, Wanted("accuracy", 0.9))
    found = section(MANIFEST.model_copy(update={**fitted.in_manifest, "calibration": ROWS}), fitted.report)
    assert ("**The fit ended at its bound**" in found) == fitted.report.at_bound
    assert fitted.report.at_bound == (fitted.postprocessing.temperature == pytest.approx(TEMPERATURES[1]))
    assert fitted.report.at_bound or scale == 1
    assert "**No threshold has an accuracy of 90%** with a lower bound on 2,000 rows" in found


def test_errors_of_each_label_are_in_the_table() -> None:
    """Given figures, when the card is written, then each label has its ECE after and before calibration."""
    gold = np.array([0, 1] * 10)
    report = Report(evaluations={"test": figures(np.eye(2)[gold] * 3, gold, MANIFEST.labels)})
    written = card(MANIFEST, report, "0123456789ab")
    assert (
        "| label | precision | recall | 95 % interval | F1 | ROC-AUC | ECE | ECE uncalibrated | rows |" in written
    )
    assert "| bad | 1.000 | 1.000 | 0.722 - 1.000 | 1.000 | 1.000 | 0.047 | 0.047 | 10 |" in written
    assert "| largest ECE of a label | 0.047 | 0.054 by chance, 0.047 uncalibrated |" in written
