"""Linear support vector machine on the TF-IDF of n-grams of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sklearn.svm import LinearSVC

from shared.inference.linear.features import Features
from trainer.models.baselines.features import inverse_frequency, learn, weigh
from trainer.models.baselines.linear import linear, over_margins

if TYPE_CHECKING:
    from shared.inference.linear.model import Linear
    from trainer.models.baselines.recipes import Task

PENALTY: Final = 1.0
MIN_ROWS: Final = 2
MAX_ITERATIONS: Final = 10_000


def fit(task: Task) -> Linear:
    """Fits one machine for each label against the others, or one for two, and a softmax over their margins."""
    features = Features(values="tfidf", words=2, characters=task.characters, min_rows=MIN_ROWS)
    vocabulary, counts = learn(features, task.texts)
    idf = inverse_frequency(counts)
    machine = LinearSVC(C=PENALTY, max_iter=MAX_ITERATIONS, random_state=task.seed)
    machine.fit(weigh(features, counts, idf), task.labels)
    return over_margins(linear(features, vocabulary, machine.coef_, machine.intercept_, idf=idf), task)
