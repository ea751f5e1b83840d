"""From the logits of any engine to published probabilities and a label: the one place where a label is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.model_folder.manifest import Manifest

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


def softmax(logits: NDArray[F]) -> NDArray[F]:
    """Softmax of each row of `[rows, labels]`, in its dtype; the largest logit is subtracted against overflow."""
    with np.errstate(invalid="ignore"):  # the caller checks whether rows are finite
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[F] = powers / powers.sum(axis=1, keepdims=True)
    return shares
