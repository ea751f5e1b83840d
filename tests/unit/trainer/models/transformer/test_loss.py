"""The loss of the loop: independent of how the rows are divided, and what guessing has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.models.transformer.loss import CrossEntropy, chance_loss, label_weights, weighted_nll

LABELS = st.lists(st.integers(0, 2), min_size=3, max_size=30).map(lambda more: np.array([0, 1, 2, *more]))


@settings(deadline=None)
@given(LABELS, st.floats(0, 1), st.integers(0, 2**31), st.integers(1, 10))
def test_the_loss_of_several_passes_is_that_of_one(labels: np.ndarray, power: float, seed: int, size: int) -> None:
    """Sums over parts, divided by the weight of all, are the weighted mean of torch and that of the evaluation."""
    weights = label_weights(labels, power)
    assert weights[labels].mean() == pytest.approx(1)
    logits = np.random.default_rng(seed).normal(size=(len(labels), 3))
    loss = CrossEntropy(labels, weights, "cpu")
    rows = np.arange(len(labels))
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    found = sum(float(loss(torch.from_numpy(logits[part]).float(), part)) for part in parts) / loss.weight(rows)
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), weight=torch.from_numpy(weights)
    )
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert weighted_nll(logits, labels, weights) == pytest.approx(float(expected))


@settings(deadline=None)
@given(LABELS, st.floats(0, 1), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_no_constant_answer_is_better_than_guessing(labels: np.ndarray, power: float, bias: list[float]) -> None:
    """`chance_loss` is the loss of the weighted frequencies, and no other constant reaches it."""
    weights = label_weights(labels, power)
    constant = np.tile(bias, (len(labels), 1))
    guessing = chance_loss(labels, weights)
    assert weighted_nll(constant, labels, weights) >= guessing - 1e-9
    best = np.log(weights * np.bincount(labels, minlength=3))
    assert weighted_nll(np.tile(best, (len(labels), 1)), labels, weights) == pytest.approx(guessing)
