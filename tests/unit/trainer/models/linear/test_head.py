"""A linear head for few labels: chosen by cross-validation, exact in the folder, refused where it cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from transformers import BertConfig, BertForSequenceClassification

from shared.errors import InputDataError
from shared.inference.engines.torch.pooling import MeanPooled, output_layer
from shared.inference.postprocessing import softmax
from trainer.models.linear.head import STRENGTHS, LinearHead, fit_head, install, pooled_layers, pooled_vectors

NAMES = ("negative", "neutral", "positive")


def _vectors(counts: list[int], width: int = 12, noise: float = 0.5, offset: float = 0.0) -> tuple[Any, Any]:
    chance = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    middles = np.random.default_rng(1).normal(size=(len(counts), width))
    return middles[labels] + noise * chance.normal(size=(len(labels), width)) + offset, labels


def _fit(vectors: Any, labels: Any, names: tuple[str, ...] = NAMES, **options: Any) -> LinearHead:
    return fit_head(vectors, labels, names, **{"class_weighting": 0.0, "seed": 0, **options})


@settings(max_examples=15, deadline=None)
@given(counts=st.lists(st.integers(2, 12), min_size=2, max_size=4), offset=st.floats(-50, 50))
def test_the_head_is_logistic_regression_whatever_the_offset(counts: list[int], offset: float) -> None:
    """Its probabilities are those of scikit-learn on centred vectors; every row is scored once out of fold."""
    vectors, labels = _vectors(counts, offset=offset)
    names = tuple(map(str, range(len(counts))))
    head = _fit(vectors, labels, names)

    centred = vectors - vectors.mean(axis=0)
    scaled = centred / np.sqrt((centred**2).sum(axis=1).mean())
    known = LogisticRegression(C=head.strength, max_iter=1000).fit(scaled, labels).predict_proba(scaled)
    assert softmax(vectors @ head.weight.T + head.bias) == pytest.approx(known, abs=1e-4)
    assert head.strength in STRENGTHS
    assert head.out_of_fold.shape == (len(labels), len(names))
    assert head.folds == min(5, *counts)


def test_noise_is_regularised_more() -> None:
    """Given labels that the vectors do not tell, when cross-validated, then the head stays near chance."""
    informed = _fit(*_vectors([20, 20, 20], noise=0.1)).strength
    vectors, labels = _vectors([20, 20, 20])
    random = _fit(np.random.default_rng(2).normal(size=vectors.shape), labels).strength
    assert random < informed


def test_rare_labels_weigh_more_if_wanted() -> None:
    """As in fine-tuning: with a weighting of 1 all labels have the same sum of weights."""
    vectors, labels = _vectors([40, 4], noise=2.0)
    plain, weighted = (
        softmax(vectors @ head.weight.T + head.bias)[:, 1].mean()
        for head in (_fit(vectors, labels, ("a", "b"), class_weighting=power) for power in (0.0, 1.0))
    )
    assert weighted > plain + 0.02


def test_one_row_of_a_label_is_enough_and_none_is_not() -> None:
    """Without cross-validation then; the error names the label."""
    head = _fit(*_vectors([5, 1, 5]))
    assert (head.folds, head.strength) == (0, 1.0)
    with pytest.raises(InputDataError, match="no training row has the label 'neutral'"):
        _fit(*_vectors([5, 0, 5]))


@pytest.mark.parametrize(("layers", "pooled"), [(1, (1,)), (2, (2,)), (3, (1, 3)), (6, (4, 6)), (12, (10, 12))])
def test_the_last_layer_and_the_last_but_two_are_pooled(layers: int, pooled: tuple[int, ...]) -> None:
    """Shallow encoders have the last only."""
    assert pooled_layers(layers) == pooled


def test_an_installed_head_answers_as_it_was_fitted() -> None:
    """And plain transformers, which skips no layer, gives every text one answer."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    config: Any = BertConfig(vocab_size=50, **sizes, id2label=dict(enumerate(NAMES)))
    classifier: Any = BertForSequenceClassification(config)
    classifier.eval()
    model = MeanPooled(classifier, (1, 3))
    tokens = [np.arange(1, length, dtype=np.int32) for length in (4, 9, 3, 20, 11, 7)]
    vectors = pooled_vectors(model, tokens, 0, "cpu")
    head = _fit(vectors, np.array([0, 1, 2, 0, 1, 2]))

    install(classifier, head)

    ids = torch.from_numpy(tokens[3][None]).long()
    with torch.inference_mode():
        logits = model(ids, torch.ones_like(ids)).logits.numpy()
        assert logits == pytest.approx((vectors[3] @ head.weight.T + head.bias)[None], abs=1e-4)
        assert classifier(ids).logits.numpy() == pytest.approx(
            output_layer(classifier).bias.detach().numpy()[None]
        )
