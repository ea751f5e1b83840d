"""The training config of `adapt`: the settings, with every automatic value resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.models.recipe import choose_precision
from trainer.models.transformer.training_state import TrainingConfig

if TYPE_CHECKING:
    from trainer.settings import TrainerSettings

EPOCHS: Final = 3
LEARNING_RATE: Final = 5e-5
"""As in the example of transformers (run_mlm.py)."""
BATCH_SIZE: Final = 32


def adaptation_config(settings: TrainerSettings, device: str) -> TrainingConfig:
    """Everything that affects the weights, except the base and the texts; raises SettingsError."""
    return TrainingConfig(
        epochs=settings.epochs or EPOCHS,
        learning_rate=settings.learning_rate or LEARNING_RATE,
        batch_size=settings.batch_size or BATCH_SIZE,
        accumulate=settings.accumulate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        class_weighting=0.0,
        # Weights that are trained on are better averaged in the training that follows.
        ema_decay=0.0,
        evaluations_per_epoch=settings.evaluations_per_epoch,
        patience=settings.patience,
        chosen_by="validation loss",
        freeze=0,
        dropout=settings.dropout,
        precision=choose_precision(settings, device),
        seed=settings.seed,
    )
