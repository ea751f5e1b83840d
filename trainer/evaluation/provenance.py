"""The origin of a model for its folder: base, data and training settings, and the report of the training."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import torch

from shared.model_folder.manifest import Base, LongTexts, Manifest, Normaliser, TrainingData
from shared.text import NORMALISER_VERSION
from trainer.data.parts import PARTS
from trainer.evaluation.report import Evaluation, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.text import NormaliserOptions
    from trainer.data.examples import Examples
    from trainer.data.sample import Sample
    from trainer.models.transformer.base import LoadedBase
    from trainer.models.transformer.training_state import TrainingConfig, TrainingState

OVERLAP: Final = 8
"""Neighbouring segments share at most this part of a row: a sentence or two of context."""
LIBRARIES: Final = ("torch", "transformers", "tokenizers", "numpy")


def training_settings(
    config: TrainingConfig, sample: Sample, device: str, label_map: str | None
) -> dict[str, Any]:
    """Everything that can change the weights, except base and data."""
    return {
        **asdict(config),
        "split": sample.splits.order,
        **{f"{name}_rows": len(getattr(sample.splits, name)) for name in PARTS},
        "device": device,
        # For the next data: `evaluate` and `export` need the same names.
        "label_map": label_map or "none",
        # They decide the order of sums, and with it the last bits of the weights.
        "threads": torch.get_num_threads(),
    }


def training_report(
    sample: Sample, state: TrainingState, engine: str, seconds: float, notes: Sequence[str]
) -> TrainingReport:
    """The report of the training, for metrics.json."""
    return TrainingReport(
        notes=[*sample.notes, *notes],
        rows={name: len(getattr(sample.splits, name)) for name in PARTS},
        order=sample.splits.order,
        left_out=sample.left_out,
        seconds=round(seconds, 1),
        best_step=state.history[state.best].step,
        engine=engine,
        history=[
            Evaluation(
                step=one.step,
                epoch=round(one.epoch, 3),
                training_loss=one.training_loss,
                validation_loss=one.validation_loss,
                macro_recall=one.macro_recall,
                macro_f1=one.macro_f1,
            )
            for one in state.history
        ],
    )


def rows_of(examples: Examples) -> TrainingData:
    """The identity of some rows, for the manifest."""
    return TrainingData(source=examples.source, rows=len(examples), fingerprint=examples.fingerprint())


def libraries() -> dict[str, str]:
    """Versions of Python and the libraries that made a model."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def long_texts(max_tokens: int, max_segments: int) -> LongTexts | None:
    """How a model reads texts of more than `max_tokens`; None: their beginning only."""
    if max_segments == 1:
        return None
    return LongTexts(max_segments=max_segments, overlap=max_tokens // OVERLAP)


def make_manifest(
    name: str,
    base: LoadedBase,
    sample: Sample,
    training: dict[str, Any],
    *,
    max_tokens: int,
    max_segments: int,
    options: NormaliserOptions,
) -> Manifest:
    """The manifest of a new model, without a calibration, metrics and files.

    `training` is the result of `training_settings`.
    """
    examples = sample.splits.train
    return Manifest(
        name=name,
        labels=examples.label_names,
        normaliser=Normaliser(version=NORMALISER_VERSION, options=options),
        max_tokens=max_tokens,
        long_texts=long_texts(max_tokens, max_segments),
        temperature=1.0,
        class_priors={label: rows / len(examples) for label, rows in examples.counts().items()},
        base=Base(name=base.name, revision=base.revision),
        data=rows_of(examples),
        calibration=rows_of(sample.splits.calibration),
        training=training,
        libraries=libraries(),
        created_at=datetime.now(UTC).replace(microsecond=0),
    )
