"""Figures agree with scikit-learn and with manual calculations, and intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from shared.inference.postprocessing import Postprocessing, softmax
from trainer.evaluation.metrics import accuracy, confusion_matrix, figures, intervals, macro_f1, macro_recall

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
    found = figures(logits, gold, LABELS, Postprocessing(1.3))
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
    found = figures(np.array([[2.0, 0, 0], [0, 0, 1.0]]), np.array([0, 2]), LABELS)
    assert found.labels["neutral"].roc_auc is None
    assert found.roc_auc == 1.0


def test_the_confusion_matrix_is_of_decided_labels() -> None:
    """Given a weight of 3, when 0.7 and 0.3 are weighed, then the rarer label wins; probabilities stay."""
    logits, gold = np.log([[0.7, 0.3], [0.8, 0.2]]), np.array([1, 0])
    found = figures(logits, gold, ("common", "rare"), Postprocessing(weights=np.array([1.0, 3.0])))
    assert found.confusion == [[1, 0], [0, 1]]
    assert found.calibrated == found.uncalibrated == figures(logits, gold, ("common", "rare")).calibrated


def test_twenty_right_answers_are_no_certainty() -> None:
    """A bootstrap of them says 1.000 to 1.000; Wilson's interval of 20 in 20 begins at 0.839."""
    gold = np.arange(20) % 2
    found = figures(np.eye(2)[gold] * 9, gold, ("a", "b"))
    assert found.intervals["accuracy"] == pytest.approx((0.8389, 1.0), abs=1e-4)
    assert found.labels["a"].recall_interval == pytest.approx((0.7225, 1.0), abs=1e-4)
    for name in ("macro_recall", "macro_f1"):
        assert found.intervals[name][0] < 0.85
        assert found.intervals[name][1] == 1.0


@pytest.mark.parametrize(
    ("rows", "recalls"),
    [((10, 10), (0.95, 0.95)), ((100, 40, 3), (0.9, 0.8, 0.7)), ((300, 200, 100), (0.9, 0.8, 0.7))],
)
def test_intervals_cover_the_truth(rows: tuple[int, ...], recalls: tuple[float, ...]) -> None:
    """Given draws from a known confusion, when intervals are computed, then 95 % contain the true figures."""
    true = np.diag(np.multiply(rows, recalls)) / sum(rows)
    true += np.roll(np.diag(np.multiply(rows, np.subtract(1, recalls))), 1, axis=1) / sum(rows)
    drawn = np.random.default_rng(0).multinomial(sum(rows), true.ravel(), 300).reshape(-1, *true.shape)
    for name, figure in (("accuracy", accuracy), ("macro_recall", macro_recall), ("macro_f1", macro_f1)):
        bounds = np.array([intervals(matrix)[name] for matrix in drawn])
        wanted = float(figure(true))  # type: ignore[arg-type]  # shares do as well as counts
        covered = ((bounds[:, 0] <= wanted) & (wanted <= bounds[:, 1])).mean()
        assert covered > 0.9, name
