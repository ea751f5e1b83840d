"""A linear head on the pooled vectors of a frozen encoder, for few labels.

Logistic regression; cross-validation on the training rows chooses its regularisation, so none are held out for it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from shared.errors import InputDataError
from shared.inference.batching import make_batches
from shared.inference.engines.torch.pooling import output_layer
from shared.inference.postprocessing import softmax
from trainer.models.pretrained.classifier import is_head
from trainer.models.transformer.encoding import padded
from trainer.models.transformer.loss import label_weights
from trainer.models.transformer.predict import BATCH_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.inference.engines.torch.pooling import MeanPooled
    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

STRENGTHS: Final = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""C of scikit-learn, the inverse of the regularisation, for vectors of mean square 1."""
FOLDS: Final = 5
_MAX_ITERATIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted head; its logits are `vectors @ weight.T + bias`."""

    weight: FloatArray
    """`[labels, width]`."""
    bias: FloatArray
    """`[labels]`; zeros for an output layer without a bias."""
    strength: float
    """The C that was chosen."""
    folds: int
    """Of the cross-validation; 0: a label has one row only, so that there was none."""
    out_of_fold: FloatArray
    """`[rows, labels]`, logits of each training row by a head that was not fitted to it."""


def pooled_layers(layers: int) -> tuple[int, ...]:
    """The layers, counted from 1, whose mean is taken: the last and the last but two.

    On 8 labels a class of SST-2 (30 draws, C = 10) the last layer alone gave 78.8 % with MPNet and 62.1 % with
    MiniLM, both 80.8 % and 66.0 %, the last three 79.9 % and 66.0 %, the first token 74.7 % and 54.0 % (decision
    25). Choosing the layer by cross-validation lost 2 to 4 points: 16 rows cannot choose it.
    """
    return (layers - 2, layers) if layers > 2 else (layers,)  # noqa: PLR2004


@torch.inference_mode()
def pooled_vectors(model: MeanPooled, tokens: Sequence[Ids], pad_id: int, device: str) -> FloatArray:
    """`[rows, width]` in the order of `tokens`, in fp32; leaves the model in evaluation mode on `device`."""
    model.to(device).eval()
    vectors = np.empty((len(tokens), _width(model.classifier)), np.float64)
    for rows in make_batches([len(row) for row in tokens], BATCH_TOKENS, padding=BATCH_TOKENS):
        ids, mask = padded([tokens[row] for row in rows], pad_id)
        vectors[rows] = model.pooled(ids.to(device), mask.to(device)).float().cpu().numpy()
    return vectors


def _width(classifier: Any) -> int:
    return int(output_layer(classifier).in_features)


def fit_head(
    vectors: FloatArray,
    labels: IntArray,
    names: Sequence[str],
    *,
    class_weighting: float,
    seed: int,
    bias: bool = True,
) -> LinearHead:
    """Fits a head to `vectors` `[rows, width]`; raises InputDataError if a label has no row.

    The C is the one with the least log loss of rows out of fold, since the probabilities are published.
    """
    counts = np.bincount(labels, minlength=len(names))
    if missing := [name for name, rows in zip(names, counts, strict=True) if not rows]:
        raise InputDataError(
            f"no training row has the label {missing[0]!r}, and a linear head needs one of each; give more rows"
        )
    # Centred and scaled as a whole, so that one C means the same for every encoder; folded into the weights below.
    middle = vectors.mean(axis=0) if bias else np.zeros(vectors.shape[1])
    size = float(np.sqrt(((vectors - middle) ** 2).sum(axis=1).mean())) or 1.0
    scaled = (vectors - middle) / size
    fitting = _Fitting(scaled, labels, label_weights(labels, class_weighting), len(names), bias)
    folds = min(FOLDS, int(counts.min()))
    if folds > 1:
        tried = {strength: fitting.out_of_fold(strength, folds, seed) for strength in STRENGTHS}
        strength = min(tried, key=lambda one: fitting.log_loss(tried[one]))
        out_of_fold = tried[strength]
    else:
        strength, folds = 1.0, 0
        out_of_fold = np.zeros((len(labels), len(names)))
    weight, intercept = fitting.fit(strength, np.arange(len(labels)))
    return LinearHead(weight / size, intercept - weight @ middle / size, strength, folds, out_of_fold)


@dataclass(frozen=True, slots=True)
class _Fitting:
    vectors: FloatArray
    labels: IntArray
    weights: FloatArray
    """`[labels]`, the weight of a row."""
    outputs: int
    bias: bool

    def fit(self, strength: float, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Weight `[labels, width]` and bias `[labels]`."""
        found = LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS, fit_intercept=self.bias)
        gold = self.labels[rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged: cross-validation judges the result
            found.fit(self.vectors[rows], gold, sample_weight=self.weights[gold])
        weight, intercept = found.coef_, found.intercept_ if self.bias else np.zeros(len(found.coef_))
        if self.outputs == 2:  # noqa: PLR2004 - one row of weights for the second label, which softmax shares out
            weight, intercept = np.concatenate([-weight, weight]) / 2, np.concatenate([-intercept, intercept]) / 2
        return weight, intercept

    def out_of_fold(self, strength: float, folds: int, seed: int) -> FloatArray:
        """Logits `[rows, labels]` of each row by a fit to the other folds."""
        logits = np.empty((len(self.labels), self.outputs))
        cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
        for inside, outside in cut.split(self.vectors, self.labels):
            weight, intercept = self.fit(strength, inside)
            logits[outside] = self.vectors[outside] @ weight.T + intercept
        return logits

    def log_loss(self, logits: FloatArray) -> float:
        """Mean over the rows, with their weights."""
        chosen = softmax(logits)[np.arange(len(self.labels)), self.labels]
        losses = -np.log(np.maximum(chosen, np.finfo(np.float64).tiny))
        return float(np.average(losses, weights=self.weights[self.labels]))


@torch.no_grad()
def install(classifier: Any, head: LinearHead) -> None:
    """Puts the head into the output layer, and zeros into the layers before it, which pooling skips.

    So plain transformers, which does not know of the pooling, gives every text one answer, and not wrong ones that
    look right.
    """
    output = output_layer(classifier)
    prefix = f"{classifier.base_model_prefix}."
    for name, parameter in classifier.named_parameters():
        if is_head(name, prefix):
            parameter.zero_()
    output.weight.copy_(torch.from_numpy(head.weight))
    if output.bias is not None:
        output.bias.copy_(torch.from_numpy(head.bias))
