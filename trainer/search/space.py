"""Which settings are searched, and in which ranges. The ranges are around what a training would use without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from trainer.models.transformer.dropout import usual_dropout

if TYPE_CHECKING:
    import optuna

    from trainer.models.train import Prepared

RATE_FACTOR: Final = 5.0
"""The learning rate is searched from a fifth of the usual one to five times as much."""
EPOCHS_FACTOR: Final = 2
BATCH_SIZES: Final = (8, 16, 32, 64)
EMA_DECAYS: Final = (0.0, 0.9, 0.95, 0.98, 0.99, 0.995)
WARMUP: Final = (0.0, 0.3)
WEIGHT_DECAY: Final = (1e-4, 0.3)
DROPOUT: Final = (0.0, 0.3)
DIGITS: Final = 3
"""Significant digits of searched numbers: more make no difference to the model, and are hard to read."""

Values = dict[str, Any]
"""Settings of `trainer` by name."""


@dataclass(frozen=True, slots=True)
class Space:
    """The settings that are searched; `usual` has their values without a search."""

    usual: Values

    def suggest(self, trial: optuna.trial.BaseTrial) -> Values:
        """The settings of a trial."""
        usual = self.usual
        rate, epochs = usual["learning_rate"], usual["epochs"]
        return {
            "learning_rate": _rounded(
                trial.suggest_float("learning_rate", rate / RATE_FACTOR, min(0.9, rate * RATE_FACTOR), log=True)
            ),
            "batch_size": trial.suggest_categorical("batch_size", _with(BATCH_SIZES, usual["batch_size"])),
            "epochs": trial.suggest_int("epochs", 1, epochs * EPOCHS_FACTOR),
            "warmup": _rounded(trial.suggest_float("warmup", *_around(WARMUP, usual["warmup"]))),
            "weight_decay": _rounded(
                trial.suggest_float("weight_decay", *_around(WEIGHT_DECAY, usual["weight_decay"]), log=True)
            ),
            "dropout": _rounded(trial.suggest_float("dropout", *_around(DROPOUT, usual["dropout"]))),
            "ema_decay": trial.suggest_categorical("ema_decay", _with(EMA_DECAYS, usual["ema_decay"])),
        }


def space_around(prepared: Prepared) -> Space:
    """The space for a training that is prepared: its base, data and settings decide what is usual."""
    config = prepared.config
    dropout = usual_dropout(prepared.base.model) if config.dropout is None else config.dropout
    return Space(
        {
            "learning_rate": config.learning_rate,
            "batch_size": config.batch_size,
            "epochs": max(1, round(config.epochs)),
            "warmup": config.warmup,
            # A logarithmic range has no zero.
            "weight_decay": max(config.weight_decay, WEIGHT_DECAY[0]),
            "dropout": dropout,
            "ema_decay": config.ema_decay,
        }
    )


def _with(choices: tuple[Any, ...], usual: Any) -> tuple[Any, ...]:
    return tuple(sorted({*choices, usual}))


def _around(bounds: tuple[float, float], usual: float) -> tuple[float, float]:
    return min(bounds[0], usual), max(bounds[1], usual)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
