"""Sparse features for fitting: counts of n-grams of words and characters, weighted in one of four ways.

Scoring computes the same without scikit-learn (`shared.inference.linear`); a test compares both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from shared.errors import InputDataError
from shared.inference.linear.features import MIN_CHARACTERS, Features, Vocabulary, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.models.transformer.predict import FloatArray

MAX_FEATURES: Final = 1_000_000
"""Most frequent n-grams of words, and of characters, that a model keeps."""


def learn(features: Features, texts: Sequence[str]) -> tuple[Vocabulary, Any]:
    """The vocabulary of normalised texts, and their counts, a sparse `[rows, features]`; raises InputDataError."""
    counted, names = [], []
    for vectorizer in _vectorizers(features, None):
        try:
            counted.append(vectorizer.fit_transform(texts))
        except ValueError:  # an empty vocabulary
            raise InputDataError(
                f"no n-gram occurs in {features.min_rows} of the training texts; give more texts"
            ) from None
        names.append(tuple(vectorizer.get_feature_names_out().tolist()))
    return Vocabulary(*names), sparse.hstack(counted, format="csr", dtype=np.float64)


def count(features: Features, vocabulary: Vocabulary, texts: Sequence[str]) -> Any:
    """Counts of the n-grams of normalised texts, a sparse `[rows, features]`."""
    found = [one.transform(texts) for one in _vectorizers(features, vocabulary)]
    return sparse.hstack(found, format="csr", dtype=np.float64)


def weigh(features: Features, counts: Any, idf: FloatArray | None = None) -> Any:
    """The values of the features for counts; `idf` is needed for tfidf only."""
    if features.values == "counts":
        return counts
    if features.values == "mean":
        return normalize(counts, norm="l1")
    weighed = counts.copy()
    if features.values == "binary":
        weighed.data = np.ones_like(weighed.data)
        return weighed
    weighed.data = 1 + np.log(weighed.data)
    return normalize(weighed.multiply(idf).tocsr(), norm="l2")


def inverse_frequency(counts: Any) -> FloatArray:
    """The idf of each feature, smoothed as scikit-learn does; `[features]`, in the precision that is saved."""
    rows, frequency = counts.shape[0], np.diff(counts.tocsc().indptr)
    idf = np.log((1 + rows) / (1 + frequency)) + 1
    return np.asarray(idf, np.float32).astype(np.float64)


def _vectorizers(features: Features, vocabulary: Vocabulary | None) -> list[CountVectorizer]:
    # Without a vocabulary they learn one; the bounds act only then.
    bounds = {"min_df": features.min_rows, "max_features": MAX_FEATURES}
    known: dict[str, Any] = {} if vocabulary is None else {"vocabulary": vocabulary.words}
    words = CountVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, features.words), **bounds, **known
    )
    if not features.characters:
        return [words]
    known = {} if vocabulary is None else {"vocabulary": vocabulary.characters}
    ngrams = (MIN_CHARACTERS, features.characters)
    return [words, CountVectorizer(analyzer="char_wb", lowercase=False, ngram_range=ngrams, **bounds, **known)]
