"""Statistics of the rows agree with scikit-learn; resamples are paired."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from shared.inference.postprocessing import softmax
from trainer.comparison.bootstrap import RESAMPLES, STATISTICS, estimate, statistics
from trainer.evaluation.metrics import confusion_matrix, intervals
from trainer.evaluation.postprocessing.calibration import ece

LABELS = 3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 60))
def test_the_first_draw_is_the_rows_as_they_are(seed: int, rows: int) -> None:
    """All five statistics, with ties in the scores."""
    chance = np.random.default_rng(seed)
    gold = chance.integers(0, LABELS, rows)
    probabilities = softmax(np.round(chance.normal(size=(rows, LABELS)) + np.eye(LABELS)[gold], 0))
    answers = probabilities.argmax(axis=1)
    found = {name: drawn[0] for name, drawn in statistics(probabilities, answers, gold).items()}
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(gold, answers))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(gold, answers, average="macro"))
    occurring = sorted(set(gold.tolist()))
    assert found["macro_recall"] == pytest.approx(
        sk.recall_score(gold, answers, labels=occurring, average="macro", zero_division=0)
    )
    assert found["ece"] == pytest.approx(ece(probabilities, gold))
    if len(occurring) > 1:
        areas = [sk.roc_auc_score(gold == label, probabilities[:, label]) for label in occurring]
        assert found["roc_auc"] == pytest.approx(np.mean(areas))
    else:
        assert np.isnan(found["roc_auc"])


def test_a_model_is_exactly_as_good_as_itself_and_an_interval_holds_its_value() -> None:
    """The draws are the same for every model; half of the interval is near the normal approximation."""
    chance = np.random.default_rng(0)
    gold = chance.integers(0, LABELS, 900)
    probabilities = softmax(chance.normal(size=(900, LABELS)) + np.eye(LABELS)[gold])
    answers = probabilities.argmax(axis=1)
    first, second = (statistics(probabilities, answers, gold) for _ in range(2))
    for name in STATISTICS:
        assert len(first[name]) == 1 + RESAMPLES
        difference = estimate(first[name] - second[name])
        assert difference is not None
        assert (difference.low, difference.value, difference.high) == (0, 0, 0)
    accuracy = estimate(first["accuracy"])
    assert accuracy is not None
    error = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 900)
    assert (accuracy.high - accuracy.low) / 2 == pytest.approx(error, rel=0.15)
    assert accuracy.low < accuracy.value < accuracy.high


def test_what_is_not_defined_has_no_estimate() -> None:
    """One label only: nothing can be ranked."""
    found = statistics(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 0]), np.array([0, 0]))
    assert estimate(found["roc_auc"]) is None
    assert found["accuracy"].tolist() == [1.0] * (1 + RESAMPLES)


def test_rows_that_are_all_right_have_an_interval() -> None:
    """Of the closed formula: a bootstrap gives 1 to 1."""
    gold = np.array([0, 1] * 10)
    found = statistics(np.eye(2)[gold], gold, gold)["accuracy"]
    wanted = intervals(confusion_matrix(gold, gold, 2))["accuracy"]
    one = estimate(found, wanted)
    assert one is not None
    assert (one.value, one.high) == (1.0, 1.0)
    assert one.low == pytest.approx(0.839, abs=5e-4)
