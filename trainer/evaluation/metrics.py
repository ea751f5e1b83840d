"""Metrics of a classifier, from its logits and the true labels; they agree with those of scikit-learn.

Intervals have 95 %, from closed formulas that are honest for few rows too: a bootstrap gave 1.000 to 1.000 for 20
rows that are all right. Accuracy and the recall of a label have Wilson's score interval. Macro-recall and macro-F1
combine Wilson's intervals of the labels by the method of variance estimates recovery (Zou and Donner 2008). For
macro-F1 these are of F1 / (2 - F1), the share of right rows among those that have a label or were given it, with a
correlation of 1 / (labels - 1), since an error counts for two labels. Simulated coverage with 2 to 10 labels and
20 to 1,430 rows: 92 to 98 % for macro-F1, 93 to 95 % for macro-recall; of a bootstrap 66 to 95 %.

`Figures` is written to metrics.json, so it is a pydantic model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel
from sklearn.metrics import roc_auc_score

from shared.inference.postprocessing import Postprocessing, softmax
from trainer.evaluation.postprocessing.calibration import CalibrationFigures, calibration_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

Z: Final = 1.959964
"""Quantile of the normal distribution for a two-sided interval of 95 %."""

Interval = tuple[float, float]


class LabelFigures(BaseModel, frozen=True):
    """Metrics of one label against the others."""

    precision: float
    recall: float
    recall_interval: Interval | None
    """None without rows."""
    f1: float
    rows: int
    roc_auc: float | None
    """None if all rows, or none, have the label."""


class Figures(BaseModel, frozen=True):
    """Metrics of a model on one set of rows."""

    rows: int
    accuracy: float
    macro_f1: float
    macro_recall: float
    roc_auc: float | None
    """Mean over the labels, each against the others."""
    intervals: dict[str, Interval]
    """95 % intervals of accuracy, macro_f1 and macro_recall."""
    labels: dict[str, LabelFigures]
    confusion: list[list[int]]
    """Rows are the true labels, columns the labels that were decided."""
    uncalibrated: CalibrationFigures
    calibrated: CalibrationFigures


def figures(
    logits: FloatArray, gold: IntArray, labels: Sequence[str], postprocessing: Postprocessing | None = None
) -> Figures:
    """Computes all metrics from logits `[rows, labels]` and true labels `[rows]`; needs at least one row.

    Without `postprocessing`, probabilities are the softmax, and the label has the largest.
    """
    postprocessing = postprocessing or Postprocessing()
    probabilities = postprocessing.probabilities(logits)
    matrix = confusion_matrix(gold, postprocessing.decide(probabilities), len(labels))
    of_label = _label_figures(matrix, probabilities, gold, labels)
    areas = [figure.roc_auc for figure in of_label.values() if figure.roc_auc is not None]
    return Figures(
        rows=len(gold),
        accuracy=float(accuracy(matrix)),
        macro_f1=float(macro_f1(matrix)),
        macro_recall=float(macro_recall(matrix)),
        roc_auc=float(np.mean(areas)) if areas else None,
        intervals=intervals(matrix),
        labels=of_label,
        confusion=matrix.tolist(),
        uncalibrated=calibration_figures(softmax(logits), gold),
        calibrated=calibration_figures(probabilities, gold),
    )


def confusion_matrix(gold: IntArray, answers: IntArray, labels: int) -> IntArray:
    """Counts `[labels, labels]`: rows are the true labels, columns the predicted labels."""
    return np.bincount(gold * labels + answers, minlength=labels * labels).reshape(labels, labels)


# The next three functions take one confusion matrix or a stack of them, `[..., labels, labels]`.


def accuracy(matrix: IntArray) -> FloatArray:
    """Share of correct predictions."""
    return np.asarray(_hits(matrix).sum(axis=-1) / matrix.sum(axis=(-2, -1)))


def macro_recall(matrix: IntArray) -> FloatArray:
    """Mean recall over the labels that occur; also known as balanced accuracy."""
    return _mean_of_ratios(_hits(matrix), matrix.sum(axis=-1))


def macro_f1(matrix: IntArray) -> FloatArray:
    """Mean F1 over the labels that occur or were predicted."""
    return _mean_of_ratios(2 * _hits(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def _hits(matrix: IntArray) -> IntArray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _mean_of_ratios(above: IntArray, below: IntArray) -> FloatArray:
    counted = below > 0
    ratios = np.divide(above, below, out=np.zeros(above.shape), where=counted)
    return np.asarray(ratios.sum(axis=-1) / counted.sum(axis=-1))


def _label_figures(
    matrix: IntArray, probabilities: FloatArray, gold: IntArray, labels: Sequence[str]
) -> dict[str, LabelFigures]:
    found: dict[str, LabelFigures] = {}
    for index, name in enumerate(labels):
        hits, rows, answers = (int(n) for n in (matrix[index, index], matrix[index].sum(), matrix[:, index].sum()))
        separable = 0 < rows < len(gold)
        found[name] = LabelFigures(
            precision=hits / answers if answers else 0.0,
            recall=hits / rows if rows else 0.0,
            recall_interval=_clipped(*wilson(hits, rows)) if rows else None,
            f1=2 * hits / (rows + answers) if rows + answers else 0.0,
            rows=rows,
            roc_auc=float(roc_auc_score(gold == index, probabilities[:, index])) if separable else None,
        )
    return found


def intervals(matrix: IntArray) -> dict[str, Interval]:
    """95 % intervals of accuracy, macro_recall and macro_f1 of a confusion matrix with at least one row."""
    hits, rows, answers = _hits(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    concerned = rows + answers - hits
    some, any_label = rows > 0, concerned > 0
    return {
        "accuracy": _clipped(*wilson(hits.sum(), rows.sum())),
        "macro_recall": _of_mean(hits[some] / rows[some], *wilson(hits[some], rows[some]), correlation=0.0),
        "macro_f1": _of_mean(
            _f1(hits[any_label] / concerned[any_label]),
            *map(_f1, wilson(hits[any_label], concerned[any_label])),
            correlation=1 / (len(matrix) - 1),
        ),
    }


def wilson(hits: IntArray | int, rows: IntArray | int) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of shares `hits / rows`."""
    share = np.asarray(hits / rows)
    middle = (share + Z**2 / 2 / rows) / (1 + Z**2 / rows)
    radius = Z * np.sqrt(share * (1 - share) / rows + (Z / rows) ** 2 / 4) / (1 + Z**2 / rows)
    return middle - radius, middle + radius


def _of_mean(values: FloatArray, low: FloatArray, high: FloatArray, *, correlation: float) -> Interval:
    """The interval of the mean of values with intervals of their own."""
    mean = float(values.mean())
    down, up = (
        np.sqrt((1 - correlation) * (side**2).sum() + correlation * side.sum() ** 2) / len(values)
        for side in (values - low, high - values)
    )
    return _clipped(mean - down, mean + up)


def _f1(overlap: FloatArray) -> FloatArray:
    return 2 * overlap / (1 + overlap)


def _clipped(low: float | FloatArray, high: float | FloatArray) -> Interval:
    # Wilson's ends are 0 and 1 but for rounding where all rows are wrong or right.
    return max(0.0, float(low)), min(1.0, float(high))
