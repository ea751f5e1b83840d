"""Figures agree with scikit-learn and with manual calculations; a temperature is found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from shared.inference.scorer import softmax
from trainer.evaluation.calibration import calibration_figures, ece, fit_temperature, nll
from trainer.evaluation.metrics import accuracy, confusion_matrix, figures, macro_f1, macro_recall

LABELS = ("negative", "neutral", "positive")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_figures_of_a_confusion_matrix_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    """Also if a label never occurs or is never predicted."""
    gold, answers = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    matrix = confusion_matrix(gold, answers, 3)
    assert matrix.tolist() == sk.confusion_matrix(gold, answers, labels=[0, 1, 2]).tolist()
    assert accuracy(matrix) == pytest.approx(sk.accuracy_score(gold, answers))
    assert macro_f1(matrix) == pytest.approx(sk.f1_score(gold, answers, average="macro"))
    occurring = sorted(set(gold.tolist()))
    recall = sk.recall_score(gold, answers, labels=occurring, average="macro", zero_division=0)
    assert macro_recall(matrix) == pytest.approx(recall)


def test_per_label_figures_agree_with_scikit_learn() -> None:
    """Precision, recall, F1 and ROC-AUC of each label, and the mean area."""
    chance = np.random.default_rng(0)
    gold = chance.integers(0, 3, 200)
    logits = chance.normal(size=(200, 3)) + np.eye(3)[gold]
    found = figures(logits, gold, LABELS, temperature=1.3)
    precision, recall, f1, rows = sk.precision_recall_fscore_support(gold, logits.argmax(1))
    for index, label in enumerate(found.labels.values()):
        assert (label.precision, label.recall, label.f1) == pytest.approx(
            (precision[index], recall[index], f1[index])
        )
        assert label.rows == rows[index]
    area = sk.roc_auc_score(gold, softmax(logits / 1.3), multi_class="ovr", average="macro")
    assert found.roc_auc == pytest.approx(area)
    for name in ("accuracy", "macro_f1", "macro_recall"):
        low, high = found.intervals[name]
        assert low < getattr(found, name) < high


def test_a_label_without_rows_has_no_area() -> None:
    """Without a second class nothing can be ranked: null, not a warning or a made-up number."""
    found = figures(np.array([[2.0, 0, 0], [0, 0, 1.0]]), np.array([0, 2]), LABELS, temperature=1)
    assert found.labels["neutral"].roc_auc is None
    assert found.roc_auc == 1.0


def test_a_known_temperature_is_recovered() -> None:
    """Labels drawn from softmax(z), logits of 2.5 z: the fit finds 2.5 within the noise of 20,000 rows."""
    chance = np.random.default_rng(1)
    true_logits = chance.normal(scale=1.5, size=(20_000, 3))
    gold = (softmax(true_logits).cumsum(axis=1) > chance.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(2.5 * true_logits, gold) == pytest.approx(2.5, rel=0.03)


def test_the_fit_is_bounded_where_all_answers_are_right() -> None:
    """Perfect answers would need a temperature of zero; the bound holds."""
    assert fit_temperature(np.array([[3.0, 0], [0, 3.0]]), np.array([0, 1])) == pytest.approx(0.1, rel=1e-3)


def test_calibration_figures_by_hand() -> None:
    """Two answers at 0.9, one wrong, and one right at 0.6: ECE (2 x 0.4 + 0.4) / 3."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    gold = np.array([0, 1, 1])
    assert ece(probabilities, gold) == pytest.approx((0.8 + 0.4) / 3)
    assert nll(probabilities, gold) == pytest.approx(-np.log([0.9, 0.1, 0.6]).mean())
    assert calibration_figures(probabilities, gold).brier == pytest.approx((0.02 + 1.62 + 0.32) / 3)


def test_certain_and_right_is_perfectly_calibrated() -> None:
    """Probability 1 falls into the last bin and leaves no gap."""
    assert ece(np.array([[1.0, 0.0]]), np.array([0])) == 0
