"""The training loop: optimiser, steps, evaluations on the validation rows, best weights.

All randomness comes from the seed of the training config: the same config, base, data and number of threads give
the same weights on a CPU, bit for bit, also if training was interrupted and resumed.
"""

from __future__ import annotations

import copy
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from shared.errors import SettingsError
from trainer.evaluation.metrics import confusion_matrix, macro_f1, macro_recall
from trainer.models.transformer.dropout import set_dropout
from trainer.models.transformer.encoding import Encoded, padded, training_batches
from trainer.models.transformer.predict import score
from trainer.models.transformer.training_state import Evaluation, TrainingState

if TYPE_CHECKING:
    from trainer.data.examples import IntArray
    from trainer.models.transformer.checkpoint import Checkpoint
    from trainer.models.transformer.progress import ProgressReporter
    from trainer.models.transformer.training_state import TrainingConfig

REPORT_STEPS = 10
"""Steps between two reports of the loss; each report waits for the device once."""


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch; call before the model's head is made."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for libraries that still use the global generator
    torch.manual_seed(seed)


def finetune(
    model: Any,
    train: Encoded,
    validation: Encoded,
    config: TrainingConfig,
    *,
    device: str,
    reporter: ProgressReporter,
    checkpoint: Checkpoint | None = None,
) -> TrainingState:
    """Trains on `device` and leaves the best weights in `model`, in fp32; returns the final training state.

    With a checkpoint, the state is saved at every evaluation, and training resumes from a saved state.
    """
    state = _start(model, train, config, device)
    if checkpoint:
        checkpoint.restore(state)
    losses: list[torch.Tensor] = []
    while not state.finished(config):
        epoch, done = divmod(state.step, state.per_epoch)
        # The order depends on seed and epoch alone, so a resumed epoch goes on with the same batches; in the
        # Trainer of transformers it may not (#11323, #17032).
        for rows in training_batches(train.tokens, config.batch_size, (config.seed, epoch))[done:]:
            losses.append(_step(state, train, rows, config))
            if state.step % REPORT_STEPS == 0:
                reporter.step(state.step, float(losses[-1]), _rate(state, config))
            if not _evaluation_is_due(state, config):
                continue
            _evaluate(state, validation, config, float(torch.stack(losses).mean()))
            losses.clear()
            reporter.evaluated(state.history[-1], best=state.best == len(state.history) - 1)
            # Only here, where `losses` is empty: a resumed training reports the same mean losses.
            if checkpoint:
                checkpoint.save(state)
            if state.finished(config):
                break
    model.load_state_dict(state.best_weights)
    return state


def _start(model: Any, train: Encoded, config: TrainingConfig, device: str) -> TrainingState:
    model.to(device)
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    return TrainingState(
        model=model,
        average=copy.deepcopy(model) if config.ema_decay else model,
        optimizer=_optimizer(model, config),
        device=device,
        label_weights=_label_weights(train.labels, config.class_weighting).to(device),
        per_epoch=config.steps_per_epoch(len(train)),
    )


def _optimizer(model: Any, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW without weight decay on biases and norms, which are the parameters with one dimension."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    # AdamW of torch corrects the bias of its moments, without which fine-tuning on few rows is unstable
    # (arXiv 2006.05987).
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _label_weights(labels: IntArray, power: float) -> torch.Tensor:
    counts = np.bincount(labels)
    weights = (counts / len(labels)) ** -power
    return torch.tensor(weights * len(labels) / (weights * counts).sum(), dtype=torch.float32)


def _rate(state: TrainingState, config: TrainingConfig) -> float:
    """The learning rate of the next step."""
    steps = config.epochs * state.per_epoch
    rising = max(1, round(steps * config.warmup))
    falling = (steps - state.step) / max(1, steps - rising)
    return config.learning_rate * min((state.step + 1) / rising, falling)


def _step(state: TrainingState, train: Encoded, rows: IntArray, config: TrainingConfig) -> torch.Tensor:
    """One update of the weights and of their average; returns the loss, still on the device."""
    for group in state.optimizer.param_groups:
        group["lr"] = _rate(state, config)
    ids, mask = (tensor.to(state.device) for tensor in padded([train.tokens[row] for row in rows], train.pad_id))
    gold = torch.from_numpy(train.labels[rows]).to(state.device)
    state.model.train()
    with torch.autocast(state.device, dtype=torch.bfloat16, enabled=config.bf16):
        logits = state.model(input_ids=ids, attention_mask=mask).logits
    loss = torch.nn.functional.cross_entropy(logits.float(), gold, weight=state.label_weights)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.max_grad_norm)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.step += 1
    if config.ema_decay:
        with torch.no_grad():
            for mean, now in zip(state.average.parameters(), state.model.parameters(), strict=True):
                mean.lerp_(now, 1 - config.ema_decay)
    return loss.detach()


def _evaluation_is_due(state: TrainingState, config: TrainingConfig) -> bool:
    """Whether an evaluation is due: they are evenly spaced, and the last one of an epoch is at its end."""
    evaluations = state.step * config.evaluations_per_epoch
    return evaluations // state.per_epoch > (evaluations - config.evaluations_per_epoch) // state.per_epoch


def _evaluate(state: TrainingState, validation: Encoded, config: TrainingConfig, loss: float) -> None:
    """Scores the validation rows, and keeps a copy of the weights if they are the best so far.

    Raises SettingsError if training has diverged.
    """
    if not math.isfinite(loss):
        raise SettingsError(
            f"training diverged: the loss is {loss} at step {state.step}; lower --learning-rate, or use "
            "--precision fp32"
        )
    with torch.autocast(state.device, dtype=torch.bfloat16, enabled=config.bf16):
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
    # Macro-recall is TweetEval's measure: accuracy would favour weights that ignore rare labels.
    if state.best < 0 or found.macro_recall > state.history[state.best].macro_recall:
        state.best = len(state.history) - 1
        weights = state.average.state_dict()
        state.best_weights = {name: weight.detach().clone() for name, weight in weights.items()}
