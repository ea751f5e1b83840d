"""The training config, the evaluations, and the state of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from trainer.models.transformer.schedule.plan import steps_per_epoch

if TYPE_CHECKING:
    import torch

    from trainer.models.distributed.replica import Replica
    from trainer.models.transformer.predict import FloatArray
    from trainer.models.transformer.schedule.plan import Plan

Precision = Literal["fp32", "bf16", "fp16"]
ChosenBy = Literal["validation loss", "macro-recall"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that affects the weights, except the base and the data."""

    epochs: float
    learning_rate: float
    batch_size: int
    """Rows of one pass through the model."""
    accumulate: int
    """Passes whose gradients make one update."""
    weight_decay: float
    warmup: float
    """Share of the schedule in which the learning rate rises from zero; then it falls to zero, both linearly."""
    max_grad_norm: float
    class_weighting: float
    """The weight of a row is the share of its label to the power of minus this; 0: all rows have equal weight."""
    ema_decay: float
    """EMA decay per step. The exponential moving average of the weights is kept; with 0 the weights themselves."""
    evaluations_per_epoch: float
    patience: int
    """Evaluations without a better one after which training stops."""
    chosen_by: ChosenBy
    """What makes an evaluation better."""
    freeze: int
    """Lowest layers that are not trained, with the embeddings; 0: all are trained."""
    dropout: float | None
    """Probability of all dropout layers; None: what the base has."""
    precision: Precision
    seed: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What the weights that would be kept are worth on the validation rows."""

    loss: float
    macro_recall: float = math.nan
    macro_f1: float = math.nan


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one evaluation on the validation rows."""

    step: int
    epoch: float
    training_loss: float
    """Mean over the steps since the last evaluation."""
    rate: float
    validation_loss: float
    """Of the same kind: cross-entropy, with the weights of the labels."""
    macro_recall: float
    """NaN where there are no labels, as the next."""
    macro_f1: float

    def is_better_than(self, other: Evaluation, by: ChosenBy) -> bool:
        """Whether its weights are kept instead of the other's."""
        if by == "macro-recall":
            return self.macro_recall > other.macro_recall
        return self.validation_loss < other.validation_loss


@dataclass(slots=True)
class TrainingState:
    """Everything that changes during training; a checkpoint saves it."""

    model: Any
    replica: Replica
    """The model as passes with gradients go through it."""
    average: Any
    """The model whose weights are evaluated and kept: the moving average, or the model itself."""
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    device: str
    label_weights: FloatArray
    """`[labels]`, the weight in the loss of a row of each label; the mean over the training rows is 1."""
    plan: Plan
    per_epoch: int
    """Steps of one epoch."""
    step: int = 0
    losses: list[torch.Tensor] = field(default_factory=list)
    """The loss of each step since the last evaluation, on the device."""
    first_loss: float | None = None
    """The loss of the first step, which is that of the untrained head; known from the first evaluation on."""
    history: list[Evaluation] = field(default_factory=list)
    best: int = -1
    """Index into `history` of the best evaluation."""
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    used_s: float = 0.0
    """Seconds of earlier runs until the checkpoint that this one resumed from."""

    def keep(self, found: Evaluation, config: TrainingConfig) -> None:
        """Adds an evaluation, and keeps a copy of the weights if they are the best so far."""
        self.losses.clear()
        self.history.append(found)
        if self.best < 0 or found.is_better_than(self.history[self.best], config.chosen_by):
            self.best = len(self.history) - 1
            weights = self.average.state_dict()
            self.best_weights = {name: weight.detach().clone() for name, weight in weights.items()}

    def finished(self, config: TrainingConfig) -> bool:
        """Whether the plan is done, or the patience is exhausted."""
        stale = len(self.history) - 1 - self.best
        return self.step >= self.plan.steps or stale >= config.patience

    def follow(self, plan: Plan, rows: int, config: TrainingConfig) -> None:
        """Takes another plan for a training on `rows` rows."""
        self.plan = plan
        self.per_epoch = steps_per_epoch(rows, plan.batch_size, config.accumulate)
