"""Statistics of answers with bootstrap intervals; all models get the same draws, so differences are paired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel

from trainer.evaluation.metrics import macro_f1, macro_recall
from trainer.evaluation.postprocessing.calibration import BINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

RESAMPLES: Final = 1_000
INTERVAL: Final = (2.5, 97.5)
"""Percentiles."""
STATISTICS: Final = ("accuracy", "macro_f1", "macro_recall", "roc_auc", "ece")
_CELLS: Final = 8_000_000
"""Most numbers in one array of draws: 64 MB."""


class Estimate(BaseModel, frozen=True):
    """A statistic of the rows, and its 95 % interval."""

    value: float
    low: float
    high: float


def statistics(probabilities: FloatArray, answers: IntArray, gold: IntArray) -> dict[str, FloatArray]:
    """Each of STATISTICS, `[1 + RESAMPLES]`: first of the rows as they are, then of each resample.

    Needs at least one row. A draw without any row of a label counts without it; NaN if nothing is left.
    """
    parts = [_weighted(weights, probabilities, answers, gold) for weights in _draws(len(gold))]
    return {name: np.concatenate([part[name] for part in parts]) for name in STATISTICS}


def estimate(drawn: FloatArray, closed: tuple[float, float] | None = None) -> Estimate | None:
    """Value and interval of one statistic, or of a difference of two; None if it is not defined for the rows.

    `closed` is the interval if there is a formula for it: draws of rows that are all right are all right too, so a
    bootstrap gives 1.000 to 1.000, however few the rows.
    """
    resampled = drawn[1:][np.isfinite(drawn[1:])]
    if not np.isfinite(drawn[0]) or not len(resampled):
        return None
    low, high = closed or np.percentile(resampled, INTERVAL)
    return Estimate(value=float(drawn[0]), low=float(low), high=float(high))


def _draws(rows: int) -> Iterator[FloatArray]:
    """How often each row is drawn, `[draws, rows]`; the same for the same number of rows."""
    yield np.ones((1, rows))
    chance = np.random.default_rng(0)
    size = max(1, _CELLS // rows)
    for start in range(0, RESAMPLES, size):
        count = min(size, RESAMPLES - start)
        yield chance.multinomial(rows, np.full(rows, 1 / rows), size=count).astype(np.float64)


def _weighted(
    weights: FloatArray, probabilities: FloatArray, answers: IntArray, gold: IntArray
) -> dict[str, FloatArray]:
    labels, total = probabilities.shape[1], weights.sum(axis=1)
    cells = np.eye(labels * labels)[gold * labels + answers]
    matrix = (weights @ cells).round().astype(np.int64).reshape(-1, labels, labels)
    # Of the largest probability, as in metrics.json, also where a weighted decision takes another label.
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    bin_of = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = weights @ (np.eye(BINS)[bin_of] * (confidence - right)[:, None])
    return {
        "accuracy": weights @ (answers == gold) / total,
        "macro_f1": macro_f1(matrix),
        "macro_recall": macro_recall(matrix),
        "roc_auc": _mean_area(weights, probabilities, gold),
        "ece": np.abs(gaps).sum(axis=1) / total,
    }


def _mean_area(weights: FloatArray, probabilities: FloatArray, gold: IntArray) -> FloatArray:
    """Mean over the labels of the area under the ROC curve of each against the others, `[draws]`."""
    areas = np.stack([_area(weights, column, gold == label) for label, column in enumerate(probabilities.T)])
    known = np.isfinite(areas)
    count = known.sum(axis=0)
    found = np.full(len(count), np.nan)
    np.divide(np.where(known, areas, 0).sum(axis=0), count, out=found, where=count > 0)
    return found


def _area(weights: FloatArray, scores: FloatArray, is_label: np.ndarray) -> FloatArray:
    """Share of pairs, one row with the label and one without, that the scores order rightly; ties count half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    drawn, has = weights[:, order], is_label[order]
    own = np.add.reduceat(drawn * has, starts, axis=1)
    others = np.add.reduceat(drawn * ~has, starts, axis=1)
    pairs = own.sum(axis=1) * others.sum(axis=1)
    below = np.cumsum(others, axis=1) - others
    found = np.full(len(weights), np.nan)
    np.divide((own * (below + others / 2)).sum(axis=1), pairs, out=found, where=pairs > 0)
    return found
