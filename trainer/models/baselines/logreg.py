"""Logistic regression on the TF-IDF of n-grams of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sklearn.linear_model import LogisticRegression

from shared.inference.linear.features import Features
from trainer.models.baselines.features import inverse_frequency, learn, weigh
from trainer.models.baselines.linear import linear

if TYPE_CHECKING:
    from shared.inference.linear.model import Linear
    from trainer.models.baselines.recipes import Task

INVERSE_REGULARISATION: Final = 10.0
MIN_ROWS: Final = 2
MAX_ITERATIONS: Final = 1_000


def fit(task: Task) -> Linear:
    """Fits one softmax over all labels."""
    features = Features(values="tfidf", words=2, characters=task.characters, min_rows=MIN_ROWS)
    vocabulary, counts = learn(features, task.texts)
    idf = inverse_frequency(counts)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS)
    model.fit(weigh(features, counts, idf), task.labels)
    return linear(features, vocabulary, model.coef_, model.intercept_, idf=idf)
