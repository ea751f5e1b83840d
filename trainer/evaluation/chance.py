"""Whether a model has learned anything that its validation rows can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.models.transformer.loss import chance_loss

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray
    from trainer.models.transformer.training_state import Evaluation

ONE_SIDED_95: Final = 1.645


def doubts(best: Evaluation, labels: IntArray, weights: FloatArray) -> list[str]:
    """Sentences for a person if the best evaluation is no better than guessing; else none.

    `labels` are those of the validation rows, `weights` those of the loss, by label.
    """
    guessing = chance_loss(labels, weights)
    by_chance, margin = recall_by_chance(labels)
    found = []
    if best.validation_loss >= guessing:
        found.append(
            f"The model is at chance level: its loss on the {len(labels):,} validation rows is "
            f"{best.validation_loss:.3f}, and that of the label frequencies alone {guessing:.3f}."
        )
    if best.macro_recall < by_chance + margin:
        found.append(
            f"The {len(labels):,} validation rows do not show that the model is better than chance: macro-recall "
            f"{best.macro_recall:.2f}, where guessing reaches {by_chance + margin:.2f} in one of 20 cases."
        )
    return found


def recall_by_chance(labels: IntArray) -> tuple[float, float]:
    """Macro-recall of answers at random, and how far above it they get in one of 20 cases."""
    counts = np.unique(labels, return_counts=True)[1]
    share = 1 / len(counts)
    variance = float((share * (1 - share) / counts).sum()) * share**2
    return share, ONE_SIDED_95 * math.sqrt(variance)
