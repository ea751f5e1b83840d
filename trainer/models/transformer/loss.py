"""What a training minimises.

The loop takes any `Loss`. It divides the sum over all rows of an update by their weight, so that the result does
not depend on how the rows are divided into passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray


class Loss(Protocol):
    """The loss of training rows, which are given by their indices."""

    guessing: float
    """The least mean of a model that gives every text the same answer: a training far above it has diverged."""

    def __call__(self, logits: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """The sum over the rows, a scalar; `logits` is `[rows, labels]` in fp32, on the device."""

    def weight(self, rows: IntArray) -> float:
        """What the sum over these rows is divided by."""


class CrossEntropy:
    """Cross-entropy with the true labels, in which every label has a weight."""

    def __init__(self, labels: IntArray, weights: FloatArray, device: str) -> None:
        """Takes the labels of all training rows, and the weights of `label_weights`."""
        self._labels = labels
        self._weights = weights
        self.guessing = chance_loss(labels, weights)
        self._on_device = torch.tensor(weights, dtype=torch.float32, device=device)

    def __call__(self, logits: torch.Tensor, rows: IntArray) -> torch.Tensor:
        """As in Loss."""
        gold = torch.from_numpy(self._labels[rows]).to(logits.device)
        return torch.nn.functional.cross_entropy(logits, gold, weight=self._on_device, reduction="sum")

    def weight(self, rows: IntArray) -> float:
        """As in Loss."""
        return float(self._weights[self._labels[rows]].sum())


def label_weights(labels: IntArray, power: float) -> FloatArray:
    """`[labels]`, the weight of a row: the share of its label to the power of -`power`; on average 1 a row."""
    counts = np.bincount(labels)
    weights = (counts / len(labels)) ** -power
    return np.asarray(weights * len(labels) / (weights * counts).sum(), np.float64)


def weighted_nll(logits: FloatArray, labels: IntArray, weights: FloatArray) -> float:
    """The loss of `CrossEntropy` for scored rows, `[rows, labels]`; NaN or infinite if a logit is."""
    with np.errstate(invalid="ignore"):  # of a training that diverged; the result says so
        shifted = logits - logits.max(axis=1, keepdims=True)
        nll = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    of_row = weights[labels]
    return float((of_row * nll).sum() / of_row.sum())


def chance_loss(labels: IntArray, weights: FloatArray) -> float:
    """The least `weighted_nll` of a model that gives every text the same probabilities."""
    shares = weights * np.bincount(labels, minlength=len(weights))
    shares = shares[shares > 0] / shares.sum()
    return float(-(shares * np.log(shares)).sum())
