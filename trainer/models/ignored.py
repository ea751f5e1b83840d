"""Refuses options that the chosen kind of model would ignore, so that nobody believes in their effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.settings import TrainerSettings

OF_THE_LOOP: Final = (
    "teacher",
    "unlabelled",
    "distil_alpha",
    "distil_temperature",
    "epochs",
    "budget",
    "learning_rate",
    "batch_size",
    "accumulate",
    "contrast_rows",
    "augment",
    "weight_decay",
    "warmup",
    "dropout",
    "max_grad_norm",
    "ema_decay",
    "evaluations_per_epoch",
    "patience",
    "freeze",
    "checkpoint_every_s",
    "precision",
)
"""Settings of the training loop, which neither a linear head nor a baseline has."""
OF_A_BASE: Final = ("base", "base_revision", "head", "layers", "class_weighting", "max_segments")
"""Settings of an encoder, which a baseline does not have; classes of a baseline are not weighted."""

NOT_OF_A_CNN: Final = (
    *(name for name in OF_A_BASE if name != "class_weighting"),
    *("budget", "evaluations_per_epoch", "freeze", "precision"),
)
"""Settings that a CNN does not have: of an encoder, and some of the loop."""


def refuse_ignored(settings: TrainerSettings, names: Sequence[str], reason: str, *, resume: bool) -> None:
    """Raises SettingsError if the user has set one of `names`, in whatever way, or asks for --resume.

    `reason` is a clause that says what is missing, such as "nb has no training loop". Settings have the names of
    the settings reference: some have no option on the command line.
    """
    given = [f"trainer.{name}" for name in names if name in settings.model_fields_set]
    if resume:
        given.append("--resume")
    if given:
        raise SettingsError(f"{', '.join(given)}: {reason}; leave out what has no effect")
