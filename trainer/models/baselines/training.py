"""From labelled texts to a sealed baseline: the same parts, calibration, report and card as a transformer's."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog

from shared.errors import ArtifactError, SettingsError
from shared.model_folder.artifact import seal
from shared.model_folder.manifest import MAX_TOKENS, Base, Manifest, Normaliser
from shared.terminal import show
from shared.text import NORMALISER_VERSION, NormaliserOptions
from trainer.data.examples import write_examples
from trainer.data.parts import PARTS, write_parts
from trainer.data.sample import draw_sample
from trainer.evaluation.chance import doubts_after
from trainer.evaluation.provenance import rows_of
from trainer.evaluation.report import TrainingReport
from trainer.models.baselines import recipes
from trainer.models.baselines.model import Baseline
from trainer.models.finish import Finish, calibrate_and_test
from trainer.models.model_folder import check_output, replacing
from trainer.models.train import PROBES

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.sample import Sample
    from trainer.data.splits import Splits
    from trainer.evaluation.report import Report
    from trainer.models.train import Job
    from trainer.settings import TrainerSettings

LIBRARIES: Final = ("scikit-learn", "scipy", "numpy", "gensim")

log = structlog.get_logger()


def train_baseline(job: Job, settings: TrainerSettings) -> tuple[Artifact, Report]:
    """Fits, calibrates, tests and seals the baseline `settings.model`; raises SentimentError with what to do."""
    check_output(job.output, overwrite=job.overwrite)
    finish = Finish.of(job, settings)
    baseline = new_baseline(settings.model, settings)
    sample = draw_sample(job.examples, settings, job.given)
    for note in sample.notes:
        show(note)
    splits = sample.splits
    if job.held_out:
        write_examples(splits.test, job.held_out)
        log.info("held_out_written", file=str(job.held_out), rows=len(splits.test))
    log.info("fitting", model=baseline.name, rows=len(splits.train))
    baseline.fit(splits.train, splits.validation)
    with replacing(job.output) as folder:
        name = job.name or job.output.absolute().name
        manifest = _manifest(name, baseline, sample, settings)
        if job.tracker:
            job.tracker.settings(manifest.training)
        raw = _save(folder, baseline, manifest, splits)
        fitted, tested = calibrate_and_test(raw, splits, settings.device, finish.wanted, command=job.command)
        for note in (found := doubts_after(tested.figures)):
            log.warning("training_in_doubt", note=note)
        training = TrainingReport(
            rows={part: len(getattr(splits, part)) for part in PARTS},
            order=splits.order,
            left_out=sample.left_out,
            notes=[*sample.notes, *found],
            seconds=round(time.monotonic() - job.began, 1),
            best_step=None,
            engine=tested.engine,
            history=[],
        )
        artifact, report = finish.publish(folder, raw, fitted, tested, training)
    return replace(artifact, path=job.output), report  # it was sealed under its temporary name


def new_baseline(name: str, settings: TrainerSettings) -> Baseline:
    """A baseline that is not fitted; raises SettingsError for options that it cannot have."""
    if settings.characters and name not in recipes.WITH_CHARACTERS:
        raise SettingsError(
            f"--characters has no effect on {name}; the models with n-grams of characters are "
            f"{', '.join(recipes.WITH_CHARACTERS)}"
        )
    return Baseline(
        name=name,
        # As an uncased tokenizer does: a bag of words without it counts "Good" and "good" apart.
        options=NormaliserOptions(lowercase=True, remove_stop_words=settings.remove_stop_words),
        max_tokens=settings.max_tokens or MAX_TOKENS,
        seed=settings.seed,
        characters=recipes.CHARACTERS if settings.characters else 0,
    )


def _save(folder: Path, baseline: Baseline, manifest: Manifest, splits: Splits) -> Artifact:
    """Writes the model without a calibration, and verifies that it answers like the one in memory."""
    baseline.save(folder)
    write_parts(folder, splits)
    artifact = seal(folder, manifest)
    probe = splits.test.texts[:PROBES]
    ours, theirs = (one.predict_proba(probe) for one in (baseline, Baseline.of(artifact)))
    if not np.array_equal(ours, theirs):
        raise ArtifactError(
            f"{folder}: the saved model gives other answers than the fitted one; please report this"
        )
    return artifact


def _manifest(name: str, baseline: Baseline, sample: Sample, settings: TrainerSettings) -> Manifest:
    train = sample.splits.train
    training: dict[str, Any] = {
        "characters": baseline.characters,
        "seed": settings.seed,
        "split": sample.splits.order,
        **{f"{part}_rows": len(getattr(sample.splits, part)) for part in PARTS},
        "label_map": settings.label_map or "none",
    }
    return Manifest(
        kind="baseline",
        name=name,
        labels=train.label_names,
        normaliser=Normaliser(version=NORMALISER_VERSION, options=baseline.options),
        max_tokens=baseline.max_tokens,
        class_priors={label: rows / len(train) for label, rows in train.counts().items()},
        base=Base(name=baseline.name, revision=f"scikit-learn {version('scikit-learn')}"),
        data=rows_of(train),
        calibration=rows_of(sample.splits.calibration),
        training=training,
        libraries={"python": platform.python_version(), **{one: version(one) for one in LIBRARIES}},
        created_at=datetime.now(UTC).replace(microsecond=0),
    )
