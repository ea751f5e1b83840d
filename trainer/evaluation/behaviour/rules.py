"""When a case fails: the exact rule of each kind of test."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import IntArray
    from trainer.evaluation.behaviour.cases import BehaviourTest
    from trainer.models.transformer.predict import FloatArray

TOLERANCE: Final = 0.1
"""The tolerance that CheckList uses; of a probability for INV, of the difference of two of them for DIR."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one model to some texts."""

    labels: IntArray
    """`[texts]`, indices of the labels that the model chooses."""
    probabilities: FloatArray
    """`[texts, labels]`."""
    polarity: tuple[int, ...]
    """Of each label."""

    def of(self, rows: Sequence[int]) -> Answers:
        """Those to some of the texts."""
        return Answers(self.labels[list(rows)], self.probabilities[list(rows)], self.polarity)


def applies(test: BehaviourTest, polarity: Sequence[int]) -> bool:
    """Whether a model with such labels can pass: one without a neutral label cannot answer "neutral"."""
    return test.kind != "MFT" or not test.expected.isdisjoint(polarity)


def failed(test: BehaviourTest, answers: Answers) -> bool:
    """Whether a case fails, from the answers to its texts.

    MFT: the polarity of the label is not an expected one. INV: of two of the texts, the labels differ and the
    probability of the first one's label is lower for the second by more than the tolerance. DIR: p(positive) minus
    p(negative) moves against the direction by more than the tolerance.
    """
    if test.kind == "MFT":
        return answers.polarity[answers.labels[0]] not in test.expected
    if test.kind == "INV":
        pairs = permutations(range(len(answers.labels)), 2)
        return any(_turns(answers, first, second) for first, second in pairs)
    before, after = answers.probabilities @ np.array(answers.polarity, np.float64)
    (direction,) = test.expected
    return bool((after - before) * direction < -TOLERANCE)


def _turns(answers: Answers, first: int, second: int) -> bool:
    label = answers.labels[first]
    if label == answers.labels[second]:
        return False
    of_label = answers.probabilities[:, label]
    return bool(of_label[first] - of_label[second] > TOLERANCE)
