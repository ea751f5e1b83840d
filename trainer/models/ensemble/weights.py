"""The weights of the members of an ensemble: equal, or fitted on labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.evaluation.postprocessing.calibration import PRIOR_ROWS

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

MAX_STEPS: Final = 10_000
TOLERANCE: Final = 1e-8
"""Change of a weight in a step after which the fit ends."""


def equal_weights(members: int) -> FloatArray:
    """The same share for each member, `[members]`."""
    return np.full(members, 1 / members)


def fit_weights(probabilities: FloatArray, gold: IntArray, prior_rows: float = PRIOR_ROWS) -> FloatArray:
    """The shares `[members]` whose mean has the greatest likelihood, shrunk to equal ones by the number of rows.

    `probabilities` is `[members, rows, labels]`, `gold` the true labels `[rows]`. Stacking with weights that are
    not negative and sum to 1 (Breiman 1996), by expectation-maximisation as for the shares of a mixture; the
    likelihood is concave in the weights. The prior counts as `prior_rows` more rows that favour no member.
    """
    likelihood = np.maximum(probabilities[:, np.arange(len(gold)), gold], np.finfo(np.float64).tiny)
    weights = equal_weights(len(probabilities))
    for _ in range(MAX_STEPS):
        shares = weights[:, None] * likelihood
        shares /= shares.sum(axis=0)
        better = (shares.sum(axis=1) + prior_rows / len(weights)) / (len(gold) + prior_rows)
        change, weights = np.abs(better - weights).max(), better
        if change < TOLERANCE:
            break
    return np.asarray(weights / weights.sum(), np.float64)
