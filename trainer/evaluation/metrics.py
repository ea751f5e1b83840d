"""Metrics of a classifier, from its logits and the true labels; they agree with those of scikit-learn.

`Figures` is written to metrics.json, so it is a pydantic model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel
from sklearn.metrics import roc_auc_score

from shared.inference.scorer import softmax
from trainer.evaluation.calibration import CalibrationFigures, calibration_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

RESAMPLES: Final = 1000
INTERVAL: Final = (2.5, 97.5)


class LabelFigures(BaseModel, frozen=True):
    """Metrics of one label against the others."""

    precision: float
    recall: float
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
    intervals: dict[str, tuple[float, float]]
    """95 % intervals of accuracy, macro_f1 and macro_recall, from 1,000 resamples of the rows."""
    labels: dict[str, LabelFigures]
    confusion: list[list[int]]
    """Rows are the true labels, columns the predicted labels."""
    uncalibrated: CalibrationFigures
    calibrated: CalibrationFigures


def figures(logits: FloatArray, gold: IntArray, labels: Sequence[str], temperature: float) -> Figures:
    """Computes all metrics from logits `[rows, labels]` and true labels `[rows]`; needs at least one row."""
    matrix = confusion_matrix(gold, logits.argmax(axis=-1), len(labels))
    probabilities = softmax(logits / temperature)
    of_label = _label_figures(matrix, probabilities, gold, labels)
    areas = [figure.roc_auc for figure in of_label.values() if figure.roc_auc is not None]
    return Figures(
        rows=len(gold),
        accuracy=float(accuracy(matrix)),
        macro_f1=float(macro_f1(matrix)),
        macro_recall=float(macro_recall(matrix)),
        roc_auc=float(np.mean(areas)) if areas else None,
        intervals=_intervals(matrix),
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
            f1=2 * hits / (rows + answers) if rows + answers else 0.0,
            rows=rows,
            roc_auc=float(roc_auc_score(gold == index, probabilities[:, index])) if separable else None,
        )
    return found


def _intervals(matrix: IntArray) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals. A resample of rows is a multinomial draw of the matrix: cheap however many rows."""
    rows = int(matrix.sum())
    # A fixed seed: `evaluate` on the held-out rows gives exactly the figures of training.
    drawn = np.random.default_rng(0).multinomial(rows, matrix.ravel() / rows, size=RESAMPLES)
    stack = drawn.reshape(RESAMPLES, *matrix.shape)
    bounds = {}
    for figure in (accuracy, macro_f1, macro_recall):
        low, high = np.percentile(figure(stack), INTERVAL)
        bounds[figure.__name__] = (float(low), float(high))
    return bounds
