"""Probabilities are right label by label after a fit, and a few rows never make them much worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.inference.postprocessing import Postprocessing, softmax
from trainer.evaluation.postprocessing.calibration import (
    TEMPERATURES,
    bias_of_weighting,
    calibration_figures,
    ece,
    fit_calibration,
    nll,
)


def drawn(rows: int, seed: int, *, scale: float = 3.2) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a calibrated model, and labels that have just its probabilities."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(scale=scale, size=(rows, 3))
    gold = (softmax(logits).cumsum(axis=1) > chance.random((rows, 1))).argmax(axis=1)
    return logits, gold


def test_a_known_temperature_and_bias_are_found() -> None:
    """Labels drawn from softmax(z), logits of 2.5 (z - bias): the fit finds both; 20,000 rows hardly shrink it."""
    logits, gold = drawn(20_000, 1, scale=1.5)
    bias = np.array([-0.4, 0.1, 0.3])
    fit = fit_calibration(2.5 * (logits - bias), gold)
    assert fit.temperature == pytest.approx(2.5, rel=0.03)
    assert fit.bias == pytest.approx(bias, abs=0.05)
    assert not fit.at_bound
    plain = fit_calibration(2.5 * (logits - bias), gold, prior_rows=0)
    assert fit.temperature == pytest.approx(plain.temperature, rel=0.01)
    assert fit.bias == pytest.approx(plain.bias, abs=0.01)


def test_the_mean_probability_of_each_label_is_its_frequency() -> None:
    """Given a model that a weighted loss shifted to rare labels, when calibrated, then each label has its share.

    Its ECE hardly shows the shift; the class-wise ECE does.
    """
    chance = np.random.default_rng(0)
    priors = np.array([0.156, 0.453, 0.391])
    gold = chance.choice(3, 6_000, p=priors)
    exact = np.log(priors) + 1.5 * np.eye(3)[gold] + chance.normal(size=(6_000, 3))
    shifted = exact - 0.5 * np.log(priors)  # as a loss with weights of priors ** -0.5 leaves it
    before = calibration_figures(softmax(shifted), gold)
    fit = fit_calibration(shifted[:3_000], gold[:3_000], expected_bias=bias_of_weighting(priors.tolist(), 0.5))
    post = fit.postprocessing()
    assert post.probabilities(shifted[:3_000]).mean(axis=0) == pytest.approx(
        np.bincount(gold[:3_000]) / 3_000, abs=0.004
    )
    after = calibration_figures(post.probabilities(shifted[3_000:]), gold[3_000:])
    assert max(before.class_wise_ece) > 0.04
    assert max(after.class_wise_ece) < 0.02
    assert after.nll < before.nll


@pytest.mark.parametrize("rows", [5, 14, 48, 174])
def test_a_fit_on_few_rows_is_hardly_worse_than_none(rows: int) -> None:
    """Given a calibrated model, when fitted on 5 to 174 rows, then its NLL rises by 1.5 % on average at most.

    Without the prior the temperature hits its bound, and the NLL is up to thirteen times as large.
    """
    logits, gold = drawn(2_000, 99)
    untouched = nll(softmax(logits), gold)
    found = []
    for seed in range(25):
        fit = fit_calibration(*drawn(rows, seed))
        assert not fit.at_bound
        found.append(nll(fit.postprocessing().probabilities(logits), gold) / untouched)
    assert np.mean(found) < 1.015
    assert np.percentile(found, 95) < 1.04


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 60), prior=st.integers(0, 300))
def test_a_larger_prior_never_moves_further(seed: int, rows: int, prior: int) -> None:
    """Given the same rows, when the prior has more of its own, then the probabilities stay nearer to before."""
    logits, gold = drawn(rows, seed)
    moved = [
        _distance(logits, fit_calibration(logits, gold, prior_rows=weight).postprocessing())
        for weight in (prior + 1, 2 * prior + 50, 10_000)
    ]
    assert moved[0] >= moved[1] - 1e-4 >= moved[2] - 2e-4


def _distance(logits: np.ndarray, post: Postprocessing) -> float:
    """Mean Kullback-Leibler divergence of the probabilities from those of the uncalibrated model."""
    own, found = softmax(logits), post.probabilities(logits)
    return float((own * np.log(own / np.maximum(found, 1e-300))).sum(axis=1).mean())


def test_shares_of_repeated_rows_move_a_fit_as_their_number_says() -> None:
    """Given rows once, ten and a hundred times, when fitted, then each fit is nearer to that without a prior."""
    logits, gold = drawn(40, 3)
    logits = logits * 2 + np.array([0.5, 0.0, -0.5])
    free = fit_calibration(logits, gold, prior_rows=0).temperature
    away = [
        abs(np.log(fit_calibration(np.tile(logits, (n, 1)), np.tile(gold, n)).temperature / free))
        for n in (1, 10, 100)
    ]
    assert away[0] > away[1] > away[2]


def test_a_calibrated_model_stays_as_it_is() -> None:
    """Given labels in just the shares that the model says, when fitted, then T is 1 and no label has a bias."""
    logits = np.repeat(np.log([[0.75, 0.25], [0.25, 0.75]]), 400, axis=0)
    gold = np.tile([0, 0, 0, 1], 100).tolist() + np.tile([1, 1, 1, 0], 100).tolist()
    fit = fit_calibration(logits, np.array(gold))
    assert fit.temperature == pytest.approx(1, abs=1e-4)
    assert fit.bias == pytest.approx([0, 0], abs=1e-4)


def test_a_fit_that_ends_at_its_bound_says_so() -> None:
    """Given logits 200 times too large, when fitted, then T is its bound, and the fit says so."""
    logits, gold = drawn(3_000, 5, scale=1.0)
    fit = fit_calibration(200 * logits, gold)
    assert fit.at_bound
    assert fit.temperature == pytest.approx(TEMPERATURES[1])


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_label_only_leave_finite_probabilities(label: int) -> None:
    """Given a calibration part in which a label never occurs, when fitted, then it keeps a probability."""
    logits, _ = drawn(30, 8)
    fit = fit_calibration(logits, np.full(30, label))
    assert not fit.at_bound
    assert fit.postprocessing().probabilities(logits).min() > 0


def test_calibration_figures_by_hand() -> None:
    """Two answers at 0.9, one wrong, and one right at 0.6: ECE (2 x 0.4 + 0.4) / 3."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    gold = np.array([0, 1, 1])
    found = calibration_figures(probabilities, gold)
    assert ece(probabilities, gold) == pytest.approx((0.8 + 0.4) / 3)
    assert found.class_wise_ece == pytest.approx(((0.8 + 0.4) / 3,) * 2)
    assert nll(probabilities, gold) == pytest.approx(-np.log([0.9, 0.1, 0.6]).mean())
    assert found.brier == pytest.approx((0.02 + 1.62 + 0.32) / 3)


def test_certain_and_right_is_perfectly_calibrated() -> None:
    """Probability 1 falls into the last bin and leaves no gap."""
    assert ece(np.array([[1.0, 0.0]]), np.array([0])) == 0


@pytest.mark.parametrize("rows", [40, 500, 3_000])
def test_the_error_by_chance_is_the_mean_of_draws_from_the_probabilities(rows: int) -> None:
    """Labels that have exactly the probabilities still give an ECE, on few rows a large one."""
    chance = np.random.default_rng(rows)
    probabilities = softmax(chance.normal(scale=2, size=(rows, 3)))
    found = calibration_figures(probabilities, np.zeros(rows, dtype=np.int64))
    draws = [
        calibration_figures(
            probabilities, (probabilities.cumsum(axis=1) > chance.random((rows, 1))).argmax(axis=1)
        )
        for _ in range(200)
    ]
    assert found.ece_by_chance == pytest.approx(np.mean([one.ece for one in draws]), rel=0.1)
    of_labels = np.mean([one.class_wise_ece for one in draws], axis=0)
    assert found.class_wise_ece_by_chance == pytest.approx(of_labels, rel=0.1)
