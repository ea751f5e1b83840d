"""NBSVM: a linear SVM on n-grams that are scaled by the log-count ratios of Naive Bayes (Wang & Manning 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.svm import LinearSVC

from shared.inference.linear.features import Features
from trainer.models.baselines.features import learn, weigh
from trainer.models.baselines.linear import linear, over_margins

if TYPE_CHECKING:
    from shared.inference.linear.model import Linear
    from trainer.models.baselines.recipes import Task
    from trainer.models.transformer.predict import FloatArray

# All three as in the paper.
SMOOTHING: Final = 1.0
PENALTY: Final = 1.0
INTERPOLATION: Final = 0.25
"""Share of the SVM's own weights; the rest has the same size for every n-gram, as in Naive Bayes."""
# Of the primal solver: the dual one has not converged on TweetEval after 300 iterations. This is liblinear's own
# default: 7 steps there instead of the 22 of 0.001, accuracy of positive against others .6905 and .6900.
TOLERANCE: Final = 0.01


def fit(task: Task) -> Linear:
    """Fits one machine for each label against the others, or one for two, and a softmax over their margins.

    A feature is whether an n-gram occurs, not how often.
    """
    features = Features(values="binary", words=2, characters=task.characters)
    vocabulary, counts = learn(features, task.texts)
    values = weigh(features, counts)
    wanted = [1] if task.labels.max() == 1 else range(task.labels.max() + 1)
    fitted = [_against_others(values, task.labels == label, task.seed) for label in wanted]
    coefficients, intercepts = zip(*fitted, strict=True)
    return over_margins(linear(features, vocabulary, np.stack(coefficients), np.array(intercepts)), task)


def _against_others(values: Any, is_label: Any, seed: int) -> tuple[FloatArray, float]:
    ratios = log_count_ratios(values, is_label)
    machine = LinearSVC(C=PENALTY, tol=TOLERANCE, dual=False, random_state=seed)
    machine.fit(values.multiply(ratios).tocsr(), is_label)
    weights = machine.coef_[0]
    mixed = (1 - INTERPOLATION) * np.abs(weights).mean() + INTERPOLATION * weights
    return ratios * mixed, float(machine.intercept_[0])


def log_count_ratios(values: Any, is_label: Any) -> FloatArray:
    """`[features]`: log of the share of a feature among those of the label, by its share among the others."""
    own = SMOOTHING + np.asarray(values[is_label].sum(axis=0)).ravel()
    others = SMOOTHING + np.asarray(values[~is_label].sum(axis=0)).ravel()
    return np.asarray(np.log((own / own.sum()) / (others / others.sum())))
