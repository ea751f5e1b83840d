"""From the logits of any engine to published probabilities and a label: the one place where a label is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from shared.inference.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.inference.types import ModelIdentity, Row
    from shared.model_folder.manifest import Manifest

POWER: Final = 4
"""Of the mean of the probabilities of segments: one that is sure of a label counts more than several that are not.
With 1, the plain mean, the verdict of a long text is lost among neutral segments (docs/experiments.md)."""
F = TypeVar("F", np.float32, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Postprocessing:
    """What a manifest says of logits; without arguments, the softmax and its largest probability."""

    temperature: float = 1.0
    bias: NDArray[np.float64] | None = None
    """`[labels]`, added to the logits after the temperature."""
    weights: NDArray[np.float64] | None = None
    """`[labels]`, by which probabilities are multiplied to choose the label; they change no probability."""

    @classmethod
    def of(cls, manifest: Manifest) -> Postprocessing:
        """That of a model folder."""
        decision = manifest.decision
        return cls(
            temperature=manifest.temperature,
            bias=None if manifest.bias is None else np.array(manifest.bias),
            # Of equal weights none changes the label, and none are multiplied.
            weights=None if decision is None or len(set(decision.weights)) == 1 else np.array(decision.weights),
        )

    def scaled(self, logits: NDArray[F]) -> NDArray[F]:
        """Calibrated logits `[rows, labels]`, in the dtype of `logits`."""
        scaled: NDArray[F] = logits / logits.dtype.type(self.temperature)
        if self.bias is not None:
            scaled += self.bias.astype(logits.dtype)
        return scaled

    def probabilities(self, logits: NDArray[F]) -> NDArray[F]:
        """Published probabilities `[rows, labels]`."""
        return softmax(self.scaled(logits))

    def decide(self, probabilities: NDArray[F]) -> NDArray[np.int64]:
        """The index of the label of each row: that of the largest product of weight and probability, `[rows]`."""
        weighted = probabilities if self.weights is None else probabilities * self.weights
        labels: NDArray[np.int64] = weighted.argmax(axis=1)
        return labels

    def scores(
        self, logits: NDArray[F], rows: Sequence[Row], model: ModelIdentity, computed_tokens: int
    ) -> list[Score | None]:
        """The answers of one pass to its rows, None where a logit is not finite.

        `logits`: `[rows, labels]`; `computed_tokens`: what the pass computed, padding included.
        """
        scaled = self.scaled(logits)
        probabilities = softmax(scaled)
        numbers, labels = probabilities.tolist(), self.decide(probabilities).tolist()
        finite = np.all(np.isfinite(scaled), axis=1).tolist()
        share = computed_tokens / len(rows)
        return [
            Score(tuple(own), label, len(row), share, row.truncated, model, row.unknown_share) if good else None
            for row, own, label, good in zip(rows, numbers, labels, finite, strict=True)
        ]

    def logits_of(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logits behind published probabilities `[rows, labels]`, up to a constant per row."""
        # fp32 rounds a probability to 0 if its logit is 104 or more below the largest: the smallest subnormal.
        scaled = np.log(np.maximum(probabilities, np.finfo(np.float32).smallest_subnormal))
        return (scaled if self.bias is None else scaled - self.bias) * self.temperature

    def pooled(self, scores: Sequence[Score], *, truncated: bool) -> Score:
        """The answer to a text from those to its segments: the power mean of their uncalibrated probabilities.

        It is calibrated and decided like that to a short text, so a calibration that was fitted on it holds.
        """
        shares = softmax(self.logits_of(np.array([one.probabilities for one in scores])))
        logits = np.log(np.mean(shares**POWER, axis=0, keepdims=True)) / POWER
        probabilities = self.probabilities(logits)
        tokens = [one.tokens for one in scores]
        return Score(
            tuple(probabilities[0].tolist()),
            int(self.decide(probabilities)[0]),
            sum(tokens),
            sum(one.computed_tokens for one in scores),
            truncated,
            scores[0].model,
            float(np.average([one.unknown_share for one in scores], weights=tokens)),
            len(scores),
        )


def softmax(logits: NDArray[F]) -> NDArray[F]:
    """Softmax of each row of `[rows, labels]`, in its dtype; the largest logit is subtracted against overflow."""
    with np.errstate(invalid="ignore"):  # the caller checks whether rows are finite
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[F] = powers / powers.sum(axis=1, keepdims=True)
    return shares
