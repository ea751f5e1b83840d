"""One update of the weights, and one evaluation on the validation rows.

The loop calls them, and the measurement of a budget, which runs no loop.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Final

import torch

from shared.errors import SettingsError
from trainer.evaluation.metrics import confusion_matrix, macro_f1, macro_recall
from trainer.models.distributed.replica import Replica
from trainer.models.distributed.world import ALONE
from trainer.models.transformer.dropout import set_dropout
from trainer.models.transformer.encoding import Encoded, padded
from trainer.models.transformer.loss import CrossEntropy, label_weights, weighted_nll
from trainer.models.transformer.optimiser import adamw, average_in, gradient_scaler
from trainer.models.transformer.predict import score
from trainer.models.transformer.schedule.plan import steps_per_epoch
from trainer.models.transformer.training_state import Evaluation, Scores, TrainingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.data.examples import IntArray
    from trainer.models.distributed.world import World
    from trainer.models.transformer.loss import Loss
    from trainer.models.transformer.schedule.plan import Plan
    from trainer.models.transformer.training_state import TrainingConfig

    Measure = Callable[[TrainingState, Encoded, TrainingConfig], Scores]
    """Scores the weights that would be kept on validation rows."""

DIVERGED: Final = 1.5
"""Training has diverged if its mean loss is this many times that of the first step and that of guessing."""
_TYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def start(
    model: Any, train: Encoded, config: TrainingConfig, device: str, plan: Plan, *, world: World = ALONE
) -> TrainingState:
    """The state before the first step; moves the model to the device."""
    model.to(device)
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    return TrainingState(
        model=model,
        replica=Replica.of(model, world),
        average=copy.deepcopy(model) if config.ema_decay else model,
        optimizer=adamw(model, config),
        scaler=gradient_scaler(config, device),
        device=device,
        label_weights=label_weights(train.labels, config.class_weighting),
        plan=plan,
        per_epoch=steps_per_epoch(len(train), plan.batch_size, config.accumulate),
    )


def cross_entropy(train: Encoded, state: TrainingState) -> CrossEntropy:
    """The default loss."""
    return CrossEntropy(train.labels, state.label_weights, state.device)


def update(
    state: TrainingState, train: Encoded, rows: IntArray, config: TrainingConfig, loss: Loss
) -> torch.Tensor:
    """One update of the weights and of their average; returns the mean loss of the rows, still on the device.

    `rows` are those of all processes, of which this one takes its share.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = state.plan.rate(state.step, config)
    state.model.train()
    replica, size = state.replica, state.plan.batch_size
    replica.seed(config.seed, state.step)
    weight = loss.weight(rows)
    total = torch.zeros((), device=state.device)
    for first in range(0, len(rows), size):
        part, factor = replica.own(rows[first : first + size])
        ids, mask = (one.to(state.device) for one in padded([train.tokens[row] for row in part], train.pad_id))
        with replica.passing(last=first + size >= len(rows)):
            with autocast(state.device, config):
                logits = replica.forward(input_ids=ids, attention_mask=mask).logits
            share = loss(logits.float(), part) / weight * factor
            state.scaler.scale(share).backward()  # type: ignore[no-untyped-call]
        total += share.detach()
    total = replica.total(total)
    state.scaler.unscale_(state.optimizer)
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.max_grad_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.step += 1
    if config.ema_decay:
        average_in(state.average, state.model, config.ema_decay, state.step)
    return total


def autocast(device: str, config: TrainingConfig) -> torch.autocast:
    """The context of passes in the precision of training."""
    return torch.autocast(device, dtype=_TYPES[config.precision], enabled=config.precision != "fp32")


def evaluate(
    state: TrainingState, validation: Encoded, config: TrainingConfig, loss: Loss, measure: Measure
) -> Evaluation:
    """Scores the validation rows; raises SettingsError if training has diverged."""
    losses = torch.stack(state.losses)
    training_loss = float(losses.mean())
    if state.first_loss is None:
        state.first_loss = float(losses[0])
    # Before training it can be far above guessing: a new head gives rare labels the same share as all others.
    if not training_loss <= DIVERGED * max(loss.guessing, state.first_loss):  # also true for NaN
        raise _diverged(state, training_loss, loss)
    scores = measure(state, validation, config)
    if not math.isfinite(scores.loss):
        raise _diverged(state, scores.loss, loss)
    return Evaluation(
        step=state.step,
        epoch=state.step / state.per_epoch,
        training_loss=training_loss,
        rate=state.optimizer.param_groups[0]["lr"],
        validation_loss=scores.loss,
        macro_recall=scores.macro_recall,
        macro_f1=scores.macro_f1,
    )


def classify(state: TrainingState, validation: Encoded, config: TrainingConfig) -> Scores:
    """The scores of labelled rows, in the precision of training."""
    with autocast(state.device, config):
        logits = score(state.average, validation.tokens, validation.pad_id, state.device)
    matrix = confusion_matrix(validation.labels, logits.argmax(axis=1), logits.shape[1])
    return Scores(
        weighted_nll(logits, validation.labels, state.label_weights),
        float(macro_recall(matrix)),
        float(macro_f1(matrix)),
    )


def _diverged(state: TrainingState, found: float, loss: Loss) -> SettingsError:
    return SettingsError(
        f"training diverged: the loss is {found:.3g} at step {state.step}, and guessing has {loss.guessing:.3g}; "
        "lower --learning-rate, or use --precision fp32"
    )
