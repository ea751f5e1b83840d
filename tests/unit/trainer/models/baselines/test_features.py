"""Words and signs of a text, and how a long text is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.inference.linear.features import Features, cut, tokens
from shared.inference.linear.model import Linear
from trainer.models.baselines.features import count, inverse_frequency, learn, weigh

WORDS = ("good", "not", "bad", "a", "don't", ":)", "\u00e9t\u00e9", "\u5f88\u597d", "x" * 9, "\u2028", "\t")
TEXTS = ("not good , not bad !!", "good :) good", "bad", "")


@settings(max_examples=50)
@given(st.text(max_size=40), st.integers(1, 20))
def test_a_text_is_cut_after_whole_words(text: str, most: int) -> None:
    """What is left has exactly the first words."""
    assert tokens(cut(text, most)) == tokens(text)[:most]


def test_contractions_and_runs_of_signs_are_words() -> None:
    """They carry sentiment; the quotes of a word do not belong to it."""
    assert tokens("don't 'go' :) wow!!!") == ["don't", "'", "go", "'", ":)", "wow", "!!!"]


@pytest.mark.parametrize("values", ["counts", "binary", "tfidf", "mean"])
def test_features_of_training_are_those_of_scoring(values: str) -> None:
    """A vocabulary that was learnt gives the counts that it was learnt from, words and characters."""
    features = Features.model_validate({"values": values, "words": 2, "characters": 3})
    vocabulary, counts = learn(features, TEXTS)
    again = count(features, vocabulary, TEXTS)
    assert (again != counts).nnz == 0
    assert again.shape == (len(TEXTS), len(vocabulary))
    weighed = weigh(features, counts, inverse_frequency(counts))
    sums = np.asarray(abs(weighed).sum(axis=1)).ravel()
    assert sums[3] == 0
    if values == "mean":
        assert sums[:3] == pytest.approx(1)
    if values == "tfidf":
        assert np.asarray(weighed.power(2).sum(axis=1)).ravel()[:3] == pytest.approx(1)


@pytest.mark.parametrize("values", ["counts", "binary", "tfidf", "mean"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_scoring_computes_what_scikit_learn_does(values: str, data: st.DataObject) -> None:
    """Given any texts, words, characters and coefficients, then logits are the product with sparse features."""
    some_texts = st.lists(
        st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=12), min_size=1, max_size=5
    )
    features = Features(
        values=values,
        words=data.draw(st.integers(1, 3)),
        characters=data.draw(st.sampled_from([0, 2, 3, 5])),
    )
    learnt = ["good bad", *data.draw(some_texts)]
    vocabulary, counts = learn(features, learnt)
    idf = inverse_frequency(counts) if values == "tfidf" else None
    chance = np.random.default_rng(0)
    model = Linear(features, vocabulary, chance.normal(size=(len(vocabulary), 3)), chance.normal(size=3), idf)
    texts = [*learnt, *data.draw(some_texts)]

    expected = weigh(features, count(features, vocabulary, texts), idf) @ model.coefficients + model.intercepts

    np.testing.assert_allclose(model.logits(texts), expected, rtol=1e-9, atol=1e-12)
