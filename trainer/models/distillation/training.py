"""The way of `train --teacher`: rows and loss of a training that learns from a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.errors import SettingsError
from trainer.data.readers import column_names, read_texts
from trainer.models.distillation.soft_labels import Distillation, soft_labels
from trainer.models.transformer.encoding import Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shared.inference.engines.base import Ids
    from trainer.data.splits import Splits
    from trainer.settings import TrainerSettings


@dataclass(frozen=True, slots=True)
class Guided:
    """What a teacher changes in a training."""

    rows: Encoded
    """The training rows, then the unlabelled ones, with the teacher's labels."""
    loss: Distillation
    described: dict[str, Any]
    """For the manifest, and for the identity of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The rows of a training, and how the student reads texts."""

    splits: Splits
    train: Encoded
    tokenise: Callable[[Sequence[str]], list[Ids]]


def check_teacher(settings: TrainerSettings) -> None:
    """Raises SettingsError for options that do not go together. Call before training."""
    if settings.unlabelled is not None and settings.teacher is None:
        raise SettingsError("--unlabelled needs --teacher FOLDER, a model that says what its texts are")
    if settings.teacher is not None and settings.head == "linear":
        raise SettingsError("--teacher trains the whole model, and --head linear only the head; choose one")


def distil(teacher: Path, texts: Texts, settings: TrainerSettings, *, device: str) -> Guided:
    """Scores the texts with the teacher; raises what `soft_labels` and `read_texts` raise."""
    train = texts.train
    unlabelled = read_texts(settings.unlabelled, column_names(settings)) if settings.unlabelled else ()
    soft = soft_labels(teacher, texts.splits, unlabelled, device=device, cache_dir=settings.cache_dir)
    own = np.nan_to_num(soft.probabilities[len(train) :]).argmax(axis=1)
    rows = Encoded(
        [*train.tokens, *texts.tokenise(soft.unlabelled)],
        np.concatenate([train.labels, own]),
        train.pad_id,
    )
    loss = Distillation(
        train.labels,
        soft.probabilities,
        alpha=settings.distil_alpha,
        temperature=settings.distil_temperature,
        class_weighting=settings.class_weighting,
    )
    return Guided(
        rows,
        loss,
        {
            "teacher": soft.identity,
            "unlabelled_rows": len(soft.unlabelled),
            "distil_alpha": settings.distil_alpha,
            "distil_temperature": settings.distil_temperature,
        },
    )
