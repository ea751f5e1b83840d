"""A model that is no better than guessing is called so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.evaluation.chance import doubts, doubts_after, recall_by_chance
from trainer.evaluation.metrics import figures
from trainer.models.transformer.training_state import Evaluation

LABELS = np.array([0, 1] * 50)
EVEN = np.ones(2)
GOOD = Evaluation(step=10, epoch=1, training_loss=0.2, rate=0, validation_loss=0.3, macro_recall=0.9, macro_f1=0.9)


def test_a_good_model_is_not_doubted() -> None:
    """Loss and recall are both far from chance."""
    assert doubts(GOOD, LABELS, EVEN) == []


def test_each_figure_at_chance_is_named() -> None:
    """The loss of the frequencies is ln 2; recall is compared with what answers at random reach."""
    (loss,) = doubts(replace(GOOD, validation_loss=0.7), LABELS, EVEN)
    assert loss.startswith("The model is at chance level: its loss on the 100 validation rows is 0.700")
    assert loss.endswith("and that of the label frequencies alone 0.693.")
    (recall,) = doubts(replace(GOOD, macro_recall=0.55), LABELS, EVEN)
    assert "macro-recall 0.55, where guessing reaches 0.58 in one of 20 cases" in recall


def test_the_recall_of_guessing_is_that_of_random_answers() -> None:
    """Against 20,000 draws."""
    chance = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    answers = chance.integers(0, 3, (20_000, len(labels)))
    recalls = np.mean([(answers[:, labels == k] == k).mean(axis=1) for k in range(3)], axis=0)
    share, margin = recall_by_chance(labels)
    assert recalls.mean() == pytest.approx(share, abs=1e-3)
    assert np.quantile(recalls, 0.95) == pytest.approx(share + margin, abs=0.01)


def test_a_model_without_evaluations_is_doubted_by_its_test_rows() -> None:
    """One that is right in 90 of 100 cases is not; one that gives a single label is."""
    logits = np.eye(2)[np.where(np.arange(100) < 90, LABELS, 1 - LABELS)]
    assert doubts_after(figures(logits, LABELS, ("a", "b"))) == []
    (doubt,) = doubts_after(figures(np.tile([1.0, 0.0], (100, 1)), LABELS, ("a", "b")))
    assert doubt.startswith(
        "The 100 test rows do not show that the model is better than chance: macro-recall 0.50"
    )
