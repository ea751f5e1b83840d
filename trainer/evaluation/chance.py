"""Whether a model has learned anything that its validation rows can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.models.transformer.loss import chance_loss

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.evaluation.metrics import Figures
    from trainer.models.transformer.predict import FloatArray
    from trainer.models.transformer.training_state import Evaluation

ONE_SIDED_95: Final = 1.645


def doubts(best: Evaluation, labels: IntArray, weights: FloatArray) -> list[str]:
    """Sentences for a person if the best evaluation is no better than guessing; else none.

    `labels` are those of the validation rows, `weights` those of the loss, by label.
    """
    guessing = chance_loss(labels, weights)
    found = []
    if best.validation_loss >= guessing:
        found.append(
            f"The model is at chance level: its loss on the {len(labels):,} validation rows is "
            f"{best.validation_loss:.3f}, and that of the label frequencies alone {guessing:.3f}."
        )
    return found + _no_better(best.macro_recall, labels, "validation")


def doubts_after(found: Figures) -> list[str]:
    """A sentence for a person if the test rows do not show that the model is better than guessing; else none.

    For models without evaluations during training.
    """
    rows = np.sum(found.confusion, axis=1)
    return _no_better(found.macro_recall, np.repeat(np.arange(len(rows)), rows), "test")


def _no_better(macro_recall: float, labels: IntArray, part: str) -> list[str]:
    """A sentence if guessing the labels of these rows reaches the macro-recall in one of 20 cases."""
    by_chance, margin = recall_by_chance(labels)
    doubt = (
        f"The {len(labels):,} {part} rows do not show that the model is better than chance: macro-recall "
        f"{macro_recall:.2f}, where guessing reaches {by_chance + margin:.2f} in one of 20 cases."
    )
    return [doubt] if macro_recall < by_chance + margin else []


def recall_by_chance(labels: IntArray) -> tuple[float, float]:
    """Macro-recall of answers at random, and how far above it they get in one of 20 cases."""
    counts = np.unique(labels, return_counts=True)[1]
    share = 1 / len(counts)
    variance = float((share * (1 - share) / counts).sum()) * share**2
    return share, ONE_SIDED_95 * math.sqrt(variance)
