"""What the model is, and its headline figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Section, Text, Tile, Tiles
from trainer.evaluation.html.facts import interval, number
from trainer.evaluation.report import TEST

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts
    from trainer.evaluation.metrics import Figures


def summary(facts: Facts) -> Section:
    """Always there."""
    found = facts.report.evaluations.get(TEST)
    if found is None:
        text = (
            "This model was not tested here. Measure it with `sentiment-trainer evaluate`; the figures are added."
        )
        return Section("summary", "Summary", (Text(text),))
    note = (
        f"On {found.rows:,} test rows that the model never saw. The intervals show the uncertainty from the "
        "choice of test rows; texts of other sources, topics, languages or years can give worse results."
    )
    return Section("summary", "Summary", (Tiles(_tiles(found)), Text(note)))


def _tiles(found: Figures) -> list[Tile]:
    tiles = [
        Tile(name, number(value), f"95 %: {interval(found.intervals[key])}" if key in found.intervals else "")
        for name, key, value in (
            ("Accuracy", "accuracy", found.accuracy),
            ("Macro recall", "macro_recall", found.macro_recall),
            ("Macro F1", "macro_f1", found.macro_f1),
        )
    ]
    before, after = found.uncalibrated, found.calibrated
    return [
        *tiles,
        Tile("ROC-AUC", number(found.roc_auc), "mean over the labels"),
        Tile("Calibration error", number(after.ece), f"ECE; {before.ece:.3f} before calibration"),
        Tile("Log-likelihood", number(after.nll), f"NLL; {before.nll:.3f} before calibration"),
    ]
