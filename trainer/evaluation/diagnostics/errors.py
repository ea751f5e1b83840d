"""The most confident errors, and candidates for a wrong label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.evaluation.diagnostics.stored import Case, plain_id

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray
    from trainer.models.transformer.predict import FloatArray

SHOWN: Final = 25
"""Rows of each list: as many as one person reads in a sitting."""


def worst(examples: Examples, probabilities: FloatArray, predicted: IntArray) -> list[Case]:
    """The errors whose given label has the smallest probability, smallest first."""
    wrong = np.flatnonzero(predicted != examples.labels)
    given = probabilities[wrong, examples.labels[wrong]]
    return _cases(examples, probabilities, predicted, wrong[np.argsort(given, kind="stable")][:SHOWN])


def suspects(probabilities: FloatArray, predicted: IntArray, gold: IntArray) -> IntArray:
    """Candidates for a wrong label, the likeliest first: confident learning (arXiv 1911.00068).

    A row is one if another label has at least the mean probability that it has on rows that were given it. The
    model must not have been trained on the rows.
    """
    labels = probabilities.shape[1]
    known = np.bincount(gold, minlength=labels) > 0
    # A label that no row was given has no mean: 1.1 is never reached.
    means = [float(probabilities[gold == label, label].mean()) if known[label] else 1.1 for label in range(labels)]
    rows = np.arange(len(gold))
    confident = probabilities[rows, predicted] >= np.array(means)[predicted]
    found = np.flatnonzero(confident & (predicted != gold))
    margin = probabilities[found, gold[found]] - probabilities[found, predicted[found]]
    return found[np.argsort(margin, kind="stable")]


def suspected(examples: Examples, probabilities: FloatArray, predicted: IntArray, rows: IntArray) -> list[Case]:
    """The first of the suspects, for the report."""
    return _cases(examples, probabilities, predicted, rows[:SHOWN])


def _cases(examples: Examples, probabilities: FloatArray, predicted: IntArray, rows: IntArray) -> list[Case]:
    return [
        Case(
            id=plain_id(examples.ids[row]),
            given=examples.label_names[examples.labels[row]],
            predicted=examples.label_names[predicted[row]],
            given_probability=round(float(probabilities[row, examples.labels[row]]), 4),
            predicted_probability=round(float(probabilities[row, predicted[row]]), 4),
        )
        for row in rows.tolist()
    ]
