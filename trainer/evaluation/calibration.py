"""Calibrates probabilities by temperature scaling (Guo et al. 2017), and computes calibration errors.

A temperature changes no predicted label; it is fitted on rows that were used neither for training nor for
selecting the weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel

from shared.inference.scorer import softmax

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

BINS: Final = 15  # as in Guo et al. 2017
TEMPERATURES: Final = (0.1, 10.0)
"""Bounds of the search. Without them, a few rows that are all predicted correctly give a temperature of zero."""
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


class CalibrationFigures(BaseModel, frozen=True):
    """Differences between probabilities and observed frequencies; smaller is better."""

    ece: float
    """Expected calibration error of the predicted label, with 15 bins of equal width."""
    nll: float
    """Mean negative log-likelihood, in nats."""
    brier: float
    """Mean squared distance to the one-hot truth, summed over the labels: 0 to 2."""


def fit_temperature(logits: FloatArray, gold: IntArray) -> float:
    """The temperature with the smallest negative log-likelihood, by golden-section search.

    It is convex in 1/T, so it has one minimum along log T as well.
    """
    low, high = (math.log(bound) for bound in TEMPERATURES)
    while high - low > 1e-5:  # noqa: PLR2004 - far below the precision that a few hundred rows allow
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if nll(softmax(logits / math.exp(left)), gold) < nll(softmax(logits / math.exp(right)), gold):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def calibration_figures(probabilities: FloatArray, gold: IntArray) -> CalibrationFigures:
    """All three figures, from probabilities `[rows, labels]` and true labels `[rows]`."""
    truth = np.eye(probabilities.shape[1])[gold]
    return CalibrationFigures(
        ece=ece(probabilities, gold),
        nll=nll(probabilities, gold),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean()),
    )


def nll(probabilities: FloatArray, gold: IntArray) -> float:
    """Mean negative log-likelihood of the true labels."""
    likelihood = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.maximum(likelihood, np.finfo(np.float64).tiny)).mean())


def ece(probabilities: FloatArray, gold: IntArray, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal width of confidence, weighted by rows."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == gold
    # A probability of 1 belongs to the last bin.
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(bin_of, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(gold))
