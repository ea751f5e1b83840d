"""A training config for tests."""

from __future__ import annotations

from typing import Final

from trainer.models.transformer.training_state import TrainingConfig

CONFIG: Final = TrainingConfig(
    epochs=6,
    learning_rate=5e-3,
    batch_size=16,
    accumulate=1,
    weight_decay=0.01,
    warmup=0.1,
    max_grad_norm=1.0,
    class_weighting=0.5,
    ema_decay=0.8,
    evaluations_per_epoch=2,
    patience=12,
    chosen_by="macro-recall",
    freeze=0,
    dropout=None,
    precision="fp32",
    seed=7,
)
