"""VADER (Hutto & Gilbert 2014): a lexicon and rules; nothing is trained, so it is a reference for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from shared.errors import SettingsError
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.models.transformer.predict import FloatArray

NAME: Final = "vader"
NEUTRAL_BELOW: Final = 0.05  # as its authors recommend
"""Absolute compound score below which a text is neutral."""
_SIGN: Final = {"negative": -1.0, "positive": 1.0}


class Vader:
    """Scores texts for given labels."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Raises SettingsError unless the labels are negative and positive, with or without neutral."""
        if set(labels) - {"neutral"} != set(_SIGN):
            raise SettingsError(
                "vader knows the labels negative and positive, with or without neutral; these data have others: "
                "leave it out of --models, or rename them with --label-map"
            )
        self._labels = tuple(labels)
        self._analyser = SentimentIntensityAnalyzer()

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """`[rows, labels]`: plus and minus the compound score, and what it takes not to be neutral.

        The largest is the label by the rule of its authors; a temperature makes probabilities of them. Without a
        neutral label, a text with a compound score of 0 is negative.
        """
        found = [self._analyser.polarity_scores(normalise(text))["compound"] for text in texts]
        compound = np.array(found, np.float64).reshape(-1, 1)
        # The score of the rule's bound itself is not neutral.
        neutral = np.full_like(compound, np.nextafter(NEUTRAL_BELOW, 0))
        columns = [neutral if label == "neutral" else _SIGN[label] * compound for label in self._labels]
        return np.hstack(columns)
