"""Resolves what the settings leave open about a training: lengths, epochs, precision, how the best is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from shared.errors import SettingsError
from shared.text import DEFAULT_OPTIONS
from trainer.models.transformer.encoding import tokenise
from trainer.models.transformer.schedule.plan import steps_per_epoch
from trainer.models.transformer.training_state import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.text import NormaliserOptions
    from trainer.data.splits import Splits
    from trainer.models.transformer.base import LoadedBase
    from trainer.models.transformer.training_state import Precision
    from trainer.settings import TrainerSettings

MIN_MAX_TOKENS: Final = 64  # 99 % of TweetEval's training tweets have at most 53 tokens
COVERED_PERCENT: Final = 99.5
EPOCHS: Final = 3
FEW_STEPS: Final = 250
"""Updates that few rows get at least, over more epochs."""
BATCH_SIZE: Final = 32
EVALUATIONS: Final = 12
"""Evaluations at most in all, where the number of epochs is not given."""
FEW_VALIDATION_ROWS: Final = 200
"""With fewer rows the best weights are those with the lowest validation loss, from here on the best recall."""


def choose_max_tokens(
    base: LoadedBase, texts: Sequence[str], wanted: int | None, options: NormaliserOptions = DEFAULT_OPTIONS
) -> int:
    """The user's value, else the smallest multiple of 32 that COVERED_PERCENT of the texts fit in.

    The latter is at least MIN_MAX_TOKENS and at most the maximum of the base. Raises SettingsError if `wanted` is
    above that maximum.
    """
    if wanted is not None:
        if wanted > base.positions:
            raise SettingsError(f"--max-tokens {wanted} is more than the {base.positions} that {base.name} reads")
        return wanted
    lengths = [len(row) for row in tokenise(base.tokenizer, texts, base.positions, options)]
    needed = int(np.ceil(np.percentile(lengths, COVERED_PERCENT) / 32)) * 32
    return min(max(needed, MIN_MAX_TOKENS), base.positions)


def training_config(
    settings: TrainerSettings, base: LoadedBase, splits: Splits, device: str, *, rows: int
) -> TrainingConfig:
    """The training config: the settings that affect the weights, with every automatic value resolved.

    `rows` are those of an epoch: the training rows, and unlabelled ones if there are any.
    """
    batch_size = settings.batch_size or BATCH_SIZE
    per_epoch = steps_per_epoch(rows, batch_size, settings.accumulate)
    epochs = settings.epochs or max(EPOCHS, FEW_STEPS / per_epoch)
    evaluations = (
        settings.evaluations_per_epoch
        if settings.epochs
        else min(settings.evaluations_per_epoch, EVALUATIONS / epochs)
    )
    few = len(splits.validation) < FEW_VALIDATION_ROWS
    return TrainingConfig(
        epochs=epochs,
        learning_rate=settings.learning_rate or base.learning_rate,
        batch_size=batch_size,
        accumulate=settings.accumulate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        class_weighting=settings.class_weighting,
        ema_decay=settings.ema_decay,
        evaluations_per_epoch=evaluations,
        patience=settings.patience,
        chosen_by="validation loss" if few else "macro-recall",
        freeze=settings.freeze,
        dropout=settings.dropout,
        precision=choose_precision(settings, device),
        seed=settings.seed,
    )


def choose_precision(settings: TrainerSettings, device: str) -> Precision:
    """`auto` takes bf16 if the hardware multiplies in it; emulated, it is slower than fp32.

    Raises SettingsError for fp16 on a CPU.
    """
    if settings.precision == "fp16" and device != "cuda":
        raise SettingsError("--precision fp16 needs a CUDA GPU; use bf16 or fp32 on a CPU")
    if settings.precision != "auto":
        return settings.precision
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return "bf16" if native else "fp32"
