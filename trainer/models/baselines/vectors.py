"""Averaged word vectors (word2vec, trained on the texts) under a logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from gensim.models import Word2Vec
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from shared.errors import InputDataError
from shared.inference.linear.features import Features, Vocabulary, tokens
from trainer.models.baselines.features import count, weigh
from trainer.models.baselines.linear import linear

if TYPE_CHECKING:
    from shared.inference.linear.model import Linear
    from trainer.models.baselines.recipes import Task

SIZE: Final = 100
WINDOW: Final = 5
EPOCHS: Final = 10
MIN_COUNT: Final = 2
"""Least occurrences of a word that gets a vector."""
MAX_ITERATIONS: Final = 1_000


def fit(task: Task) -> Linear:
    """Trains vectors by skip-gram with negative sampling, then the classifier on the mean of those of a text.

    The weight of a mean is the mean of weights: what is kept is one number for each word and label.
    """
    features = Features(values="mean", words=1)
    words = [tokens(text) for text in task.texts]
    # One worker: with several, the order of updates depends on the scheduler of the machine.
    trained = Word2Vec(vector_size=SIZE, window=WINDOW, min_count=MIN_COUNT, sg=1, seed=task.seed, workers=1)
    trained.build_vocab(words)
    if not len(trained.wv):
        raise InputDataError(f"no word occurs {MIN_COUNT} times in the training texts; give more texts")
    trained.train(words, total_examples=trained.corpus_count, epochs=EPOCHS)
    vocabulary = Vocabulary(tuple(trained.wv.index_to_key))
    means = weigh(features, count(features, vocabulary, task.texts)) @ trained.wv.vectors.astype(np.float64)
    scaler = StandardScaler().fit(means)
    model = LogisticRegression(max_iter=MAX_ITERATIONS).fit(scaler.transform(means), task.labels)
    directions = model.coef_ / scaler.scale_
    return linear(
        features, vocabulary, directions @ trained.wv.vectors.T, model.intercept_ - directions @ scaler.mean_
    )
