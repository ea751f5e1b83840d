"""Chooses by which weights the label follows from calibrated probabilities, and which results are uncertain.

Both are chosen on rows that no training step fitted the weights to, and both travel in the manifest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.stats import beta

from shared.model_folder.manifest import Decision
from trainer.evaluation.postprocessing.calibration import PRIOR_ROWS

if TYPE_CHECKING:
    from typing import Literal

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

    Rule = Literal["accuracy", "macro-recall"]

_ROUNDING: Final = 1e-6

# 0 is the most probable label; 1 divides by the shares of the labels, which is best where probabilities are exact.
EXPONENTS: Final = np.linspace(0, 1, 21)
MIDDLE: Final = 0.5
"""The exponent without rows. Macro-recall of a linear model on TweetEval's validation part: 59.8 with 0, 63.3 with
0.5, 63.5 with 0.75 (the best), 62.7 with 1."""
RESAMPLES: Final = 100
STANDARD_ERRORS: Final = 2.0
MAX_ROWS: Final = 20_000
"""Rows that choose the exponent: more would hardly change it, and each takes 500 bytes."""
STEPS: Final = 20
"""Thresholds that are tried: those above which 5, 10, ... and 100 % of the rows are."""
CONFIDENCE: Final = 0.95


def choose_decision(probabilities: FloatArray, gold: IntArray, rule: Rule) -> Decision:
    """The weights for `rule`, from calibrated probabilities `[rows, labels]` and true labels of at least one row.

    For `accuracy` they are equal. For `macro-recall` they are the mean probability of each label to the power of
    -x, with one x for all labels. It is the nearest to MIDDLE whose macro-recall is not less than the largest by
    more than STANDARD_ERRORS of the difference, so few rows leave it at MIDDLE, and it stays within EXPONENTS.
    """
    labels = probabilities.shape[1]
    if rule == "accuracy":
        return Decision(rule=rule, weights=(1.0,) * labels)
    chosen = np.random.default_rng(0).permutation(len(gold))[:MAX_ROWS]
    probabilities, gold = probabilities[chosen], gold[chosen]
    # Not the counts, since a label without a row among them has a share too.
    shares = np.maximum(probabilities.mean(axis=0), 1 / (len(gold) + PRIOR_ROWS))
    weights = shares ** -_exponent(probabilities, gold, shares)
    return Decision(rule=rule, weights=tuple((weights / weights.min()).round(6).tolist()))


def _exponent(probabilities: FloatArray, gold: IntArray, shares: FloatArray) -> float:
    right = np.array([(probabilities * shares**-power).argmax(axis=1) == gold for power in EXPONENTS], np.float32)
    # Times that each row is in each bootstrap resample, `[resamples, rows]`.
    times = np.random.default_rng(0).poisson(1, (RESAMPLES, len(gold))).astype(np.float32)
    recalls = np.zeros((len(EXPONENTS), RESAMPLES))
    present = np.unique(gold)
    for label in present:
        rows = gold == label
        # A label that is in no row of a resample says nothing of any exponent.
        recalls += (right[:, rows] @ times[:, rows].T) / np.maximum(times[:, rows].sum(axis=1), 1) / len(present)
    # With the largest itself, a linear model on TweetEval had no more macro-recall on other rows (.634 from 3,000
    # rows) and 1.3 points less accuracy; with one standard error, 30 rows moved the exponent by 0.15.
    lost = recalls[recalls.mean(axis=1).argmax()] - recalls
    tied = lost.mean(axis=1) <= STANDARD_ERRORS * lost.std(axis=1) + _ROUNDING
    return float(EXPONENTS[tied][np.abs(EXPONENTS[tied] - MIDDLE).argmin()])


class Selected(NamedTuple):
    """The rows that a threshold leaves."""

    threshold: float
    rows: int
    """Rows with a score of at least the threshold."""
    accuracy: float
    """Of them."""
    lower_bound: float
    """Of their accuracy: one-sided, 95 %, exact (Clopper-Pearson)."""


def choose_threshold(scores: FloatArray, right: IntArray, accuracy: float) -> Selected | None:
    """The lowest of STEPS thresholds above which the lower bound of the accuracy is at least `accuracy`.

    `scores` are the probabilities of the chosen labels, and `right` says whether these are true. None if no
    threshold has it: for 0.8 it takes 14 rows that are all right. The bounds are not corrected for the number of
    thresholds: over 200 draws of 50 to 3,000 rows of two models, the true accuracy was below the wanted one in
    3.5 % at most; where every row could be a threshold, in 8 %.
    """
    order = np.argsort(-scores, kind="stable")
    rows = np.unique(np.ceil(np.linspace(1 / STEPS, 1, STEPS) * len(scores)).astype(np.int64))
    # A threshold leaves all rows of one score.
    thresholds = scores[order][rows - 1]
    rows = np.searchsorted(-scores[order], -thresholds, side="right")
    hits = right[order].cumsum()[rows - 1]
    bounds = np.where(hits > 0, beta.ppf(1 - CONFIDENCE, np.maximum(hits, 1), rows - hits + 1), 0.0)
    passed = np.flatnonzero(bounds >= accuracy)
    if not len(passed):
        return None
    last = passed[-1]
    # With all rows above it there is no lowest score to protect: nothing is uncertain.
    threshold = 0.0 if rows[last] == len(scores) else float(thresholds[last])
    return Selected(threshold, int(rows[last]), float(hits[last] / rows[last]), float(bounds[last]))
