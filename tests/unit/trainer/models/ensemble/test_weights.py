"""Weights of members: the likeliest mean, and equal ones without rows that say otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.models.ensemble.weights import equal_weights, fit_weights


def _answers(members: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return chance.dirichlet(np.ones(3), (members, rows)), chance.integers(0, 3, rows)


def test_no_rows_leave_equal_weights() -> None:
    """The prior favours no member."""
    found = fit_weights(np.empty((4, 0, 3)), np.empty(0, np.int64))
    np.testing.assert_allclose(found, equal_weights(4))


def test_the_better_member_gets_more_and_more_weight_with_more_rows() -> None:
    """One knows the label in two of three rows, the other guesses."""
    found = []
    for rows in (30, 3_000):
        gold = np.arange(rows) % 2
        knows = np.where(np.arange(rows) % 3 < 2, gold, 1 - gold)
        good = np.eye(2)[knows] * 0.6 + 0.2
        found.append(fit_weights(np.stack([good, np.full_like(good, 0.5)]), gold)[0])
    assert 0.5 < found[0] < found[1] < 1


@given(st.integers(2, 5), st.integers(1, 60), st.integers(0, 99))
def test_weights_are_shares_and_the_fit_does_not_depend_on_the_order(members: int, rows: int, seed: int) -> None:
    """They are positive and sum to 1; a member keeps its weight wherever it is in the list."""
    probabilities, gold = _answers(members, rows, seed)
    found = fit_weights(probabilities, gold)
    assert found.min() > 0
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(fit_weights(probabilities[::-1], gold), found[::-1], atol=1e-5)


def test_the_fitted_mean_has_the_greatest_likelihood() -> None:
    """Without the prior, no other share on a grid is better."""
    probabilities, gold = _answers(2, 200, 1)
    own = probabilities[:, np.arange(200), gold]

    def likelihood(share: float) -> float:
        return float(np.log(share * own[0] + (1 - share) * own[1]).sum())

    best = max(likelihood(share) for share in np.linspace(0.001, 0.999, 999))
    assert likelihood(fit_weights(probabilities, gold, prior_rows=1e-9)[0]) >= best - 1e-4
