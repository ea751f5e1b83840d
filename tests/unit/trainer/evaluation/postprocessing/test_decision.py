"""Decision weights raise macro-recall and stay tame on few rows; thresholds keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.inference.postprocessing import Postprocessing, softmax
from trainer.evaluation.metrics import confusion_matrix, macro_recall
from trainer.evaluation.postprocessing.decision import choose_decision, choose_threshold
from trainer.evaluation.postprocessing.fitting import Rows, Wanted, fit_postprocessing

PRIORS = np.array([0.1, 0.5, 0.4])


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities of a model whose labels have PRIORS, and true labels."""
    chance = np.random.default_rng(seed)
    gold = chance.choice(3, rows, p=PRIORS)
    # Gaussian evidence of unit variance, of which the exact posterior is known.
    logits = np.log(PRIORS) + 1.2 * (1.2 * np.eye(3)[gold] + chance.normal(size=(rows, 3)))
    return softmax(logits), gold


def recall_of(weights: tuple[float, ...], probabilities: np.ndarray, gold: np.ndarray) -> float:
    """Macro-recall of the labels that these weights decide."""
    labels = Postprocessing(weights=np.array(weights)).decide(probabilities)
    return float(macro_recall(confusion_matrix(gold, labels, 3)))


@pytest.mark.parametrize(("rows", "gain"), [(30, 0.03), (3_000, 0.04)])
def test_weights_raise_macro_recall_on_other_rows(rows: int, gain: float) -> None:
    """Given rows with a rare label, when weights are chosen, then other rows have more macro-recall with them."""
    found = choose_decision(*drawn(rows), "macro-recall")
    others = drawn(5_000, seed=1)
    assert found.weights[0] == max(found.weights)
    assert recall_of(found.weights, *others) > recall_of((1.0, 1.0, 1.0), *others) + gain


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 40), seed=st.integers(0, 1_000))
def test_weights_of_few_rows_are_tame(rows: int, seed: int) -> None:
    """Given any few rows, when weights are chosen, then none is more than the inverse share of its label."""
    probabilities, gold = drawn(rows, seed)
    found = choose_decision(probabilities, gold, "macro-recall")
    shares = np.maximum(probabilities.mean(axis=0), 1 / (rows + 100))
    assert max(found.weights) / min(found.weights) <= shares.max() / shares.min() + 1e-6


def test_for_accuracy_the_largest_probability_decides() -> None:
    """Given any rows, when weights are chosen for accuracy, then they are equal."""
    assert choose_decision(*drawn(50), "accuracy").weights == (1.0, 1.0, 1.0)


@given(
    factor=st.floats(1e-3, 1e3),
    weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
    seed=st.integers(0, 1_000),
)
def test_only_the_ratios_of_weights_count(factor: float, weights: list[float], seed: int) -> None:
    """Given weights and a multiple of them, when labels are decided, then they are the same."""
    probabilities, _ = drawn(20, seed)
    one, other = (
        Postprocessing(weights=np.array(weights) * scale).decide(probabilities) for scale in (1.0, factor)
    )
    assert (one == other).all()


@pytest.mark.parametrize("rows", [100, 600])
def test_what_is_not_uncertain_has_the_wanted_accuracy(rows: int) -> None:
    """Given a calibrated model, when a threshold is chosen, then at most one draw in ten is below the accuracy."""
    probabilities, gold = drawn(20_000, seed=7)
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    below = 0
    for seed in range(60):
        own, truth = drawn(rows, seed)
        found = choose_threshold(own.max(axis=1), own.argmax(axis=1) == truth, 0.75)
        below += found is not None and right[scores >= found.threshold].mean() < 0.75
    assert below <= 6


def test_thresholds_by_hand() -> None:
    """Nothing is uncertain if all are right; few rows, or wrong ones, reach no accuracy; ties stay together."""
    scores = np.linspace(0.5, 0.99, 100)
    everything = choose_threshold(scores, np.ones(100, bool), 0.9)
    assert everything is not None
    assert (everything.threshold, everything.rows, everything.accuracy) == (0.0, 100, 1.0)
    assert everything.lower_bound == pytest.approx(0.05 ** (1 / 100))
    assert choose_threshold(scores[:13], np.ones(13, bool), 0.8) is None
    assert choose_threshold(scores[:14], np.ones(14, bool), 0.8) is not None
    assert choose_threshold(scores, np.zeros(100, bool), 0.5) is None
    half = choose_threshold(scores, scores >= scores[50], 0.9)
    assert half is not None
    assert half.threshold == pytest.approx(scores[50])
    tied = choose_threshold(np.array([0.9] * 60 + [0.6] * 40), np.array([True] * 60 + [False] * 40), 0.9)
    assert tied is not None
    assert (tied.threshold, tied.rows) == (0.9, 60)


def test_an_accuracy_that_is_not_reached_leaves_no_threshold() -> None:
    """Given twelve rows, when fitted, then the manifest has no threshold, and report and log say why."""
    probabilities, gold = drawn(12)
    rows = Rows(np.log(probabilities), gold)
    with capture_logs() as lines:
        found = fit_postprocessing(rows, rows, Wanted("macro-recall", 0.9))
    assert found.in_manifest["uncertain_below"] is None
    assert found.report.uncertain.rows_above is None
    assert [line["event"] for line in lines] == ["uncertain_accuracy_not_reached"]
