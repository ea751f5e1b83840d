"""Words and signs of a text, and how a long text is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.models.baselines.features import (
    Features,
    count,
    cut,
    inverse_frequency,
    is_blank,
    learn,
    tokens,
    weigh,
)

TEXTS = ("not good , not bad !!", "good :) good", "bad", "")


@settings(max_examples=50)
@given(st.text(max_size=40), st.integers(1, 20))
def test_a_text_is_cut_after_whole_words(text: str, most: int) -> None:
    """What is left has exactly the first words."""
    assert tokens(cut(text, most)) == tokens(text)[:most]


@settings(max_examples=50)
@given(st.text(max_size=20))
def test_a_text_is_blank_if_it_has_no_word_and_no_sign(text: str) -> None:
    """Then it has no features either."""
    assert is_blank(text) is (not tokens(text))


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
