"""Reliability diagrams, ROC and precision-recall curves as a bounded number of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from trainer.evaluation.diagnostics.stored import Bin, LabelCurves, Points
from trainer.evaluation.postprocessing.calibration import BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

POINTS: Final = 200
"""Points of one curve: less than two pixels between them on the widest chart."""
DIGITS: Final = 4


def bins(probabilities: FloatArray, true: IntArray) -> list[Bin]:
    """The bins of equal width that ECE uses, from probabilities `[rows]` and whether each came true `[rows]`."""
    bin_of = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    found = []
    for index in np.unique(bin_of).tolist():
        here = bin_of == index
        found.append(
            Bin(
                low=round(index / BINS, DIGITS),
                high=round((index + 1) / BINS, DIGITS),
                rows=int(here.sum()),
                predicted=round(float(probabilities[here].mean()), DIGITS),
                observed=round(float(true[here].mean()), DIGITS),
            )
        )
    return found


def confidence_bins(probabilities: FloatArray, predicted: IntArray, gold: IntArray) -> list[Bin]:
    """The reliability diagram of the predicted label, from probabilities `[rows, labels]`."""
    return bins(probabilities[np.arange(len(gold)), predicted], np.asarray(predicted == gold, np.int64))


def label_curves(probabilities: FloatArray, gold: IntArray, labels: Sequence[str]) -> dict[str, LabelCurves]:
    """The curves of each label against the others, from calibrated probabilities `[rows, labels]`."""
    return {name: _curves(probabilities[:, index], gold == index) for index, name in enumerate(labels)}


def _curves(score: FloatArray, true: IntArray) -> LabelCurves:
    rows = int(true.sum())
    roc: Points = []
    recalls: Points = []
    area = None
    if 0 < rows < len(true):
        false_rate, true_rate, _ = roc_curve(true, score)
        precision, recall, _ = precision_recall_curve(true, score)
        roc, recalls = _thinned(false_rate, true_rate), _thinned(recall[::-1], precision[::-1])
        area = round(float(average_precision_score(true, score)), DIGITS)
    return LabelCurves(
        rows=rows,
        roc=roc,
        precision_recall=recalls,
        average_precision=area,
        reliability=bins(score, np.asarray(true, np.int64)),
    )


def _thinned(x: FloatArray, y: FloatArray) -> Points:
    """At most POINTS of the points, the first and the last among them, evenly along the curve."""
    rows = np.arange(len(x))
    if len(x) > POINTS:
        # Along the curve and not along x: a good ROC curve has most of its points in its first hundredth.
        way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        wanted = np.linspace(0, way[-1], POINTS)[1:-1]
        rows = np.unique(np.concatenate([[0], np.searchsorted(way, wanted), [len(x) - 1]]))
    return [(round(float(x[row]), DIGITS), round(float(y[row]), DIGITS)) for row in rows]
