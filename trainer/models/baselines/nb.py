"""Multinomial Naive Bayes on n-grams of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.naive_bayes import MultinomialNB

from shared.inference.linear.features import Features
from trainer.models.baselines.features import learn, weigh
from trainer.models.baselines.linear import linear

if TYPE_CHECKING:
    from shared.inference.linear.model import Linear
    from trainer.models.baselines.recipes import Task


def fit(task: Task) -> Linear:
    """Fits with add-one smoothing."""
    features = Features(values="counts", words=2, characters=task.characters)
    vocabulary, counts = learn(features, task.texts)
    model = MultinomialNB().fit(weigh(features, counts), task.labels)
    coefficients, intercepts = model.feature_log_prob_, model.class_log_prior_
    if len(model.classes_) == 2:  # noqa: PLR2004 - one output for two labels
        coefficients, intercepts = coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
    return linear(features, vocabulary, coefficients, intercepts)
