"""The training loop. Reads top to bottom: optimiser, steps, looks at the validation rows, best weights.

All chance hangs on the recipe's seed: the same recipe, base, data and number of threads give the same
weights on a CPU, bit for bit, whether training ran through or was interrupted and resumed.
"""

from __future__ import annotations

import copy
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from shared.errors import SettingsError
from trainer.evaluation.metrics import confusion_matrix, macro_f1, macro_recall
from trainer.models.encoding import Encoded, pad, training_batches
from trainer.models.predict import score

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.checkpoint import Checkpoint
    from trainer.models.progress import Watch

TOLD_EVERY = 10
"""Steps between two reports of the loss; each waits for the device once."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that shapes the weights besides the base and the data."""

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float
    warmup: float
    """Share of all steps over which the rate rises from zero; then it falls to zero, both linearly."""
    max_grad_norm: float
    class_weighting: float
    """Rows of a label count by its share to the power of minus this, lest rare labels be lost; 0: alike."""
    averaging: float
    """Decay per step of the moving average of the weights, which is what is kept; 0: the weights themselves."""
    evaluations_per_epoch: int
    patience: int
    """Looks at the validation rows without a better macro-recall, after which training stops."""
    bf16: bool
    seed: int

    def steps_per_epoch(self, rows: int) -> int:
        """Batches that the rows make."""
        return math.ceil(rows / self.batch_size)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One look at the validation rows."""

    step: int
    epoch: float
    training_loss: float
    """Mean over the steps since the last look."""
    rate: float
    macro_recall: float
    macro_f1: float


@dataclass(slots=True)
class TrainingState:
    """All that changes while training; what a checkpoint keeps."""

    model: Any
    average: Any
    """The model whose weights are looked at and kept: the moving average, or the model itself."""
    optimizer: torch.optim.AdamW
    device: str
    label_weights: torch.Tensor
    """[labels], what a row of each label counts in the loss; their mean over the rows is 1."""
    per_epoch: int
    """Steps of one epoch."""
    step: int = 0
    history: list[Evaluation] = field(default_factory=list)
    best: int = -1
    """Index into `history` of the best look."""
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def finished(self, recipe: Recipe) -> bool:
        """All epochs are done, or patience is at its end."""
        stale = len(self.history) - 1 - self.best
        return self.step >= recipe.epochs * self.per_epoch or stale >= recipe.patience


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch; call before the model's head is made."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for libraries that still use the global generator
    torch.manual_seed(seed)


def finetune(
    model: Any,
    train: Encoded,
    validation: Encoded,
    recipe: Recipe,
    *,
    device: str,
    watch: Watch,
    checkpoint: Checkpoint | None = None,
) -> TrainingState:
    """Trains on `device` and leaves the best weights in `model`, in fp32; the rest is in the answer.

    With a checkpoint, the state is saved at every look and a saved one is continued.
    """
    state = _start(model, train, recipe, device)
    if checkpoint:
        checkpoint.restore(state)
    losses: list[torch.Tensor] = []
    while not state.finished(recipe):
        epoch, done = divmod(state.step, state.per_epoch)
        for rows in training_batches(train.tokens, recipe.batch_size, (recipe.seed, epoch))[done:]:
            losses.append(_step(state, train, rows, recipe))
            if state.step % TOLD_EVERY == 0:
                watch.step(state.step, float(losses[-1]), _rate(state, recipe))
            if not _look_is_due(state, recipe):
                continue
            _look(state, validation, recipe, float(torch.stack(losses).mean()))
            losses.clear()
            watch.evaluated(state.history[-1], best=state.best == len(state.history) - 1)
            if checkpoint:
                checkpoint.save(state)
            if state.finished(recipe):
                break
    model.load_state_dict(state.best_weights)
    return state


def _start(model: Any, train: Encoded, recipe: Recipe, device: str) -> TrainingState:
    model.to(device)
    return TrainingState(
        model=model,
        average=copy.deepcopy(model) if recipe.averaging else model,
        optimizer=_optimizer(model, recipe),
        device=device,
        label_weights=_label_weights(train.labels, recipe.class_weighting).to(device),
        per_epoch=recipe.steps_per_epoch(len(train)),
    )


def _optimizer(model: Any, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW without decay on biases and norms, which are the parameters with one dimension."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _label_weights(labels: IntArray, power: float) -> torch.Tensor:
    counts = np.bincount(labels)
    weights = (counts / len(labels)) ** -power
    return torch.tensor(weights * len(labels) / (weights * counts).sum(), dtype=torch.float32)


def _rate(state: TrainingState, recipe: Recipe) -> float:
    """The learning rate of the next step."""
    steps = recipe.epochs * state.per_epoch
    rising = max(1, round(steps * recipe.warmup))
    falling = (steps - state.step) / max(1, steps - rising)
    return recipe.learning_rate * min((state.step + 1) / rising, falling)


def _step(state: TrainingState, train: Encoded, rows: IntArray, recipe: Recipe) -> torch.Tensor:
    """One update of the weights and of their average; returns the loss, still on the device."""
    for group in state.optimizer.param_groups:
        group["lr"] = _rate(state, recipe)
    ids, mask = (tensor.to(state.device) for tensor in pad([train.tokens[row] for row in rows], train.pad_id))
    gold = torch.from_numpy(train.labels[rows]).to(state.device)
    state.model.train()
    with torch.autocast(state.device, dtype=torch.bfloat16, enabled=recipe.bf16):
        logits = state.model(input_ids=ids, attention_mask=mask).logits
    loss = torch.nn.functional.cross_entropy(logits.float(), gold, weight=state.label_weights)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.max_grad_norm)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.step += 1
    if recipe.averaging:
        with torch.no_grad():
            for mean, now in zip(state.average.parameters(), state.model.parameters(), strict=True):
                mean.lerp_(now, 1 - recipe.averaging)
    return loss.detach()


def _look_is_due(state: TrainingState, recipe: Recipe) -> bool:
    """At even distances, the last one in an epoch at its end."""
    looks = state.step * recipe.evaluations_per_epoch
    return looks // state.per_epoch > (looks - recipe.evaluations_per_epoch) // state.per_epoch


def _look(state: TrainingState, validation: Encoded, recipe: Recipe, loss: float) -> None:
    """Scores the validation rows, and keeps a copy of the weights if they are the best so far.

    Raises SettingsError where training has diverged.
    """
    if not math.isfinite(loss):
        raise SettingsError(
            f"training diverged: the loss is {loss} at step {state.step}; lower --learning-rate, or use "
            "--precision fp32"
        )
    with torch.autocast(state.device, dtype=torch.bfloat16, enabled=recipe.bf16):
        logits = score(state.average, validation.tokens, validation.pad_id, state.device)
    matrix = confusion_matrix(validation.labels, logits.argmax(axis=1), logits.shape[1])
    found = Evaluation(
        step=state.step,
        epoch=state.step / state.per_epoch,
        training_loss=loss,
        rate=state.optimizer.param_groups[0]["lr"],
        macro_recall=float(macro_recall(matrix)),
        macro_f1=float(macro_f1(matrix)),
    )
    state.history.append(found)
    if state.best < 0 or found.macro_recall > state.history[state.best].macro_recall:
        state.best = len(state.history) - 1
        weights = state.average.state_dict()
        state.best_weights = {name: weight.detach().clone() for name, weight in weights.items()}
