"""The way of `train --model cnn`: the same parts, loop, calibration, report and card as a transformer's."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog

from shared.errors import ArtifactError, InputDataError
from shared.inference.device import choose_device
from shared.model_folder.artifact import seal
from shared.model_folder.manifest import Base, Manifest, Normaliser
from shared.terminal import show
from shared.text import NORMALISER_VERSION, NormaliserOptions
from trainer.data.augment.copies import made_settings, with_made_rows
from trainer.data.examples import write_examples
from trainer.data.parts import PARTS, write_parts
from trainer.data.sample import draw_sample
from trainer.evaluation.chance import doubts
from trainer.evaluation.postprocessing.calibration import bias_of_weighting
from trainer.evaluation.provenance import libraries, rows_of, training_report, training_settings
from trainer.models.cnn.model import CnnModel
from trainer.models.cnn.network import FILTERS, SIZE, WIDTHS, Network
from trainer.models.cnn.words import learn_words
from trainer.models.distillation.training import Texts, check_teacher, distil
from trainer.models.finish import Finish, calibrate_and_test
from trainer.models.model_folder import check_output, replacing
from trainer.models.tracking import Reporting
from trainer.models.train import PROBES, checkpoint_path
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.finetune import Saving, finetune, seed_everything
from trainer.models.transformer.predict import score
from trainer.models.transformer.progress import reporting
from trainer.models.transformer.training_state import TrainingConfig

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact
    from trainer.data.sample import Sample
    from trainer.evaluation.report import Report
    from trainer.models.cnn.words import Reading
    from trainer.models.train import Job
    from trainer.models.transformer.encoding import Encoded
    from trainer.models.transformer.loss import Loss
    from trainer.models.transformer.training_state import TrainingState
    from trainer.settings import TrainerSettings

NAME: Final = "cnn"
EPOCHS: Final = 20
"""At most: patience ends most trainings of SST-2's sentences after 8."""
LEARNING_RATE: Final = 1e-3
BATCH_SIZE: Final = 64
EVALUATIONS_PER_EPOCH: Final = 1
MAX_DIFFERENCE: Final = 1e-4
"""Of a logit in numpy from that of torch, relative to the largest; both are in fp32."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that is decided before the first step."""

    sample: Sample
    reading: Reading
    encoded: dict[str, Encoded]
    """Rows by part; those of `train` with the rows that were made."""
    label_shares: list[float]
    """Of the training rows."""
    loss: Loss | None
    config: TrainingConfig
    device: str
    training: dict[str, Any]
    """Everything that can change the weights, except the data; for the manifest."""


def train_cnn(job: Job, settings: TrainerSettings) -> tuple[Artifact, Report]:
    """Trains, calibrates, tests and seals a CNN; raises SentimentError with what to do."""
    check_output(job.output, overwrite=job.overwrite)
    finish = Finish.of(job, settings)
    check_teacher(settings)
    prepared = _prepare(job, settings)
    splits = prepared.sample.splits
    saving = Saving(_checkpoint(job, prepared), settings.checkpoint_every_s) if job.resume else None
    network, state = _fit(job, prepared, saving)
    notes = doubts(state.history[state.best], prepared.encoded["validation"].labels, state.label_weights)
    for note in notes:
        log.warning("training_in_doubt", note=note)
    model = CnnModel(network.as_arrays(prepared.reading.words), prepared.reading, splits.train.label_names)
    with replacing(job.output) as folder:
        model.save(folder)
        write_parts(folder, splits)
        raw = seal(folder, _manifest(job.name or job.output.absolute().name, prepared))
        _verify(raw, network, prepared)
        expected = bias_of_weighting(prepared.label_shares, prepared.config.class_weighting)
        fitted, tested = calibrate_and_test(
            raw, splits, "cpu", finish.wanted, command=job.command, expected_bias=expected
        )
        seconds = time.monotonic() - job.began
        training = training_report(prepared.sample, state, tested.engine, seconds, notes)
        artifact, report = replace(finish, device="cpu").publish(folder, raw, fitted, tested, training)
    if saving:
        saving.checkpoint.remove()
    return replace(artifact, path=job.output), report  # it was sealed under its temporary name


def _prepare(job: Job, settings: TrainerSettings) -> _Prepared:
    """Splits the data and reads the texts: the same for equal arguments."""
    device = choose_device(settings.device)
    sample = draw_sample(job.examples, settings, job.given)
    for note in sample.notes:
        show(note)
    splits = sample.splits
    if not len(splits.validation):
        raise InputDataError(
            "a CNN stops by its loss on validation rows, and there are none; give --validation FILE"
        )
    if job.held_out:
        write_examples(splits.test, job.held_out)
        log.info("held_out_written", file=str(job.held_out), rows=len(splits.test))
    rows = with_made_rows(splits, settings)
    # As for baselines: of few texts, "Good" and "good" must not be two words.
    options = NormaliserOptions(lowercase=True, remove_stop_words=settings.remove_stop_words)
    # Without copies, in which a word that occurs once occurs again: none would teach what an unknown word means.
    own = with_made_rows(splits, settings.model_copy(update={"augment": ()}))
    reading = learn_words(own.texts, options, settings.max_tokens)
    parts = {name: getattr(splits, name) for name in ("validation", "test")} | {"train": rows}
    encoded = {name: reading.encode(part) for name, part in parts.items()}
    shares = np.bincount(rows.labels, minlength=len(rows.label_names)) / len(rows)
    loss, described = None, {}
    if settings.teacher is not None:
        texts = Texts(replace(splits, train=rows), encoded["train"], reading.tokenise)
        guided = distil(settings.teacher, texts, settings, device=device)
        loss, encoded["train"], described = guided.loss, guided.rows, guided.described
    config = _config(settings)
    return _Prepared(
        sample=sample,
        reading=reading,
        encoded=encoded,
        label_shares=shares.tolist(),
        loss=loss,
        config=config,
        device=device,
        training={
            **training_settings(config, sample, device, settings.label_map),
            **made_settings(settings),
            "words": len(reading.words),
            "embedding_size": SIZE,
            "filter_widths": " ".join(map(str, WIDTHS)),
            "filters_per_width": FILTERS,
            **described,
        },
    )


def _config(settings: TrainerSettings) -> TrainingConfig:
    return TrainingConfig(
        epochs=settings.epochs or EPOCHS,
        learning_rate=settings.learning_rate or LEARNING_RATE,
        batch_size=settings.batch_size or BATCH_SIZE,
        accumulate=settings.accumulate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        class_weighting=settings.class_weighting,
        ema_decay=settings.ema_decay,
        evaluations_per_epoch=EVALUATIONS_PER_EPOCH,
        patience=settings.patience,
        chosen_by="validation loss",
        freeze=0,
        dropout=settings.dropout,
        precision="fp32",
        seed=settings.seed,
    )


def _fit(job: Job, prepared: _Prepared, saving: Saving | None) -> tuple[Network, TrainingState]:
    config, encoded = prepared.config, prepared.encoded
    seed_everything(config.seed)
    network = Network(len(prepared.reading.words), len(prepared.sample.splits.train.label_names))
    log.info("training", model=NAME, max_tokens=prepared.reading.max_tokens, **prepared.training)
    if job.tracker:
        job.tracker.settings({"model": NAME, "max_tokens": prepared.reading.max_tokens, **prepared.training})
    with reporting() as terminal:
        state = finetune(
            network,
            encoded["train"],
            encoded["validation"],
            config,
            device=prepared.device,
            reporter=Reporting(terminal, job.tracker) if job.tracker else terminal,
            loss=prepared.loss,
            saving=saving,
        )
    return network, state


def _verify(artifact: Artifact, network: Network, prepared: _Prepared) -> None:
    """Raises ArtifactError unless the saved network answers in numpy as the trained one does in torch."""
    probe = prepared.encoded["test"].take(PROBES)
    ours = score(network, probe.tokens, probe.pad_id)
    theirs = CnnModel.of(artifact).network.logits_of([ids.astype(np.int64) for ids in probe.tokens])
    difference = float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))
    if not difference <= MAX_DIFFERENCE:  # also true for NaN
        raise ArtifactError(
            f"{artifact.path}: the saved network answers otherwise than the trained one, by {difference:.2g}; "
            "please report this"
        )
    log.info("answers_compared", rows=len(probe), difference=difference)


def _manifest(name: str, prepared: _Prepared) -> Manifest:
    splits, reading = prepared.sample.splits, prepared.reading
    train = splits.train
    return Manifest(
        kind="cnn",
        name=name,
        labels=train.label_names,
        normaliser=Normaliser(version=NORMALISER_VERSION, options=reading.options),
        max_tokens=reading.max_tokens,
        class_priors={label: rows / len(train) for label, rows in train.counts().items()},
        base=Base(name=NAME, revision=f"torch {version('torch')}"),
        data=rows_of(train),
        calibration=rows_of(splits.calibration),
        training=prepared.training,
        libraries=libraries(),
        created_at=datetime.now(UTC).replace(microsecond=0),
    )


def _checkpoint(job: Job, prepared: _Prepared) -> Checkpoint:
    parts = {name: getattr(prepared.sample.splits, name).fingerprint() for name in PARTS}
    reading = prepared.reading
    identity = f"{NAME} {reading.max_tokens} {reading.options!r} {sorted(parts.items())} {prepared.training}"
    return Checkpoint(checkpoint_path(job.output), identity)
