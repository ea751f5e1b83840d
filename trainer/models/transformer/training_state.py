"""The training config, the evaluations, and the state of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that affects the weights, except the base and the data."""

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float
    warmup: float
    """Share of all steps in which the learning rate rises from zero; then it falls to zero, both linearly."""
    max_grad_norm: float
    class_weighting: float
    """The weight of a row is the share of its label to the power of minus this; 0: all rows have equal weight."""
    ema_decay: float
    """EMA decay per step. The exponential moving average of the weights is kept; with 0 the weights themselves."""
    evaluations_per_epoch: int
    patience: int
    """Evaluations without a better macro-recall after which training stops."""
    dropout: float | None
    """Probability of all dropout layers; None: what the base has."""
    bf16: bool
    seed: int

    def steps_per_epoch(self, rows: int) -> int:
        """Number of batches in one epoch over `rows` rows."""
        return math.ceil(rows / self.batch_size)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one evaluation on the validation rows."""

    step: int
    epoch: float
    training_loss: float
    """Mean over the steps since the last evaluation."""
    rate: float
    macro_recall: float
    macro_f1: float


@dataclass(slots=True)
class TrainingState:
    """Everything that changes during training; a checkpoint saves it."""

    model: Any
    average: Any
    """The model whose weights are evaluated and kept: the moving average, or the model itself."""
    optimizer: torch.optim.AdamW
    device: str
    label_weights: torch.Tensor
    """`[labels]`, the weight in the loss of a row of each label; the mean over the training rows is 1."""
    per_epoch: int
    """Steps of one epoch."""
    step: int = 0
    history: list[Evaluation] = field(default_factory=list)
    best: int = -1
    """Index into `history` of the best evaluation."""
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def finished(self, config: TrainingConfig) -> bool:
        """Whether all epochs are done, or the patience is exhausted."""
        stale = len(self.history) - 1 - self.best
        return self.step >= config.epochs * self.per_epoch or stale >= config.patience
