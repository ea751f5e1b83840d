"""From a labelled data set to a sealed model folder, step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import SettingsError
from shared.inference.device import choose_device
from shared.model_folder.artifact import seal
from shared.terminal import show
from trainer.data.augment.copies import made_settings, with_made_rows
from trainer.data.examples import write_examples
from trainer.data.parts import PARTS, write_parts
from trainer.data.sample import Sample, draw_sample
from trainer.evaluation.behaviour.suite import sentences
from trainer.evaluation.chance import doubts
from trainer.evaluation.postprocessing.calibration import bias_of_weighting
from trainer.evaluation.provenance import make_manifest, training_report, training_settings
from trainer.models.budget import Budget
from trainer.models.distillation.training import Texts, check_teacher, distil
from trainer.models.distributed.world import ALONE, World, check_devices
from trainer.models.finish import Finish, calibrate_and_test
from trainer.models.ignored import OF_THE_LOOP, refuse_ignored
from trainer.models.linear.training import train_linear, wants_linear_head
from trainer.models.model_folder import check_output, replacing, save_model, verify_saved
from trainer.models.recipe import choose_max_tokens, training_config
from trainer.models.tracking import Reporting
from trainer.models.transformer.base import LoadedBase, load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import Encoded, check_served_ids, encode, tokenise
from trainer.models.transformer.finetune import Saving, finetune, seed_everything
from trainer.models.transformer.optimiser import freeze
from trainer.models.transformer.progress import reporting
from trainer.models.transformer.schedule.budget import Stopwatch
from trainer.models.transformer.schedule.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from shared.text import NormaliserOptions
    from trainer.data.examples import Examples
    from trainer.data.quality.findings import DataQuality
    from trainer.evaluation.report import Report
    from trainer.models.tracking import Tracker
    from trainer.models.transformer.loss import Loss
    from trainer.models.transformer.training_state import TrainingConfig, TrainingState
    from trainer.settings import TrainerSettings

PROBES: Final = 64
"""Number of texts on which the saved model must answer exactly like the one in memory."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of one run of `train`."""

    examples: Examples
    output: Path
    given: Mapping[str, Examples] = field(default_factory=dict)
    """Parts that come from files of their own, by name."""
    held_out: Path | None = None
    name: str | None = None
    overwrite: bool = False
    resume: bool = False
    behaviour: bool = True
    """Whether to run the behaviour suite, which is in English."""
    command: str | None = None
    """The command line, for the report."""
    quality: DataQuality | None = None
    """The data report, to be kept in the model folder."""
    tracker: Tracker | None = None
    """Where the course of the training is reported to besides the terminal."""
    world: World = ALONE
    """The processes that train."""
    began: float = field(default_factory=time.monotonic)
    """When the time of a budget began, by `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is decided before the first step."""

    sample: Sample
    base: LoadedBase
    encoded: dict[str, Encoded]
    """Encoded rows by part."""
    config: TrainingConfig
    max_tokens: int
    normaliser: NormaliserOptions
    device: str
    random_state: torch.Tensor
    """Of torch after the head was made: the training goes on with it."""
    training: dict[str, Any]
    """Everything that can change the weights, except base and data; for the manifest."""
    loss: Loss | None
    """None: cross-entropy with the labels."""

    def label_shares(self) -> list[float]:
        """Share of each label in the rows that are trained on, those that were made included."""
        trained = self.encoded["train"].labels
        shares: list[float] = (
            np.bincount(trained, minlength=len(self.base.model.config.id2label)) / len(trained)
        ).tolist()
        return shares


def train(job: Job, settings: TrainerSettings) -> tuple[Artifact, Report]:
    """Trains, calibrates, tests and seals a model; raises SentimentError with what to do."""
    check_output(job.output, overwrite=job.overwrite)
    finish = Finish.of(job, settings)  # a wrong name costs no training
    check_teacher(settings)
    if wants_linear_head(job.examples, settings, resume=job.resume):
        if job.world.is_group:
            raise SettingsError("a linear head is fitted in one process: leave out torchrun, or --head fine-tune")
        refuse_ignored(settings, OF_THE_LOOP, "a linear head has no training loop", resume=job.resume)
        return train_linear(job, settings, finish)
    prepared = prepare(job, settings)
    saving = Saving(_checkpoint(job, prepared), settings.checkpoint_every_s) if job.resume else None
    state = _finetune(prepared, job, settings, saving)
    prepared = replace(prepared, training=prepared.training | _as_done(state))
    notes = doubts(state.history[state.best], prepared.encoded["validation"].labels, state.label_weights)
    for note in notes:
        log.warning("training_in_doubt", note=note)
    with replacing(job.output) as folder:
        raw = _save(folder, job, prepared, settings.max_segments)
        expected = bias_of_weighting(prepared.label_shares(), prepared.config.class_weighting)
        fitted, tested = calibrate_and_test(
            raw,
            prepared.sample.splits,
            prepared.device,
            finish.wanted,
            command=job.command,
            expected_bias=expected,
        )
        seconds = time.monotonic() - job.began
        training = training_report(prepared.sample, state, tested.engine, seconds, notes)
        artifact, report = finish.publish(folder, raw, fitted, tested, training)
    if saving:
        saving.checkpoint.remove()
    return replace(artifact, path=job.output), report  # it was sealed under its temporary name


def prepare(job: Job, settings: TrainerSettings) -> Prepared:
    """Splits the data, loads the base and encodes the texts: the same for equal arguments."""
    device = choose_device(settings.device)
    check_devices(device)
    sample = draw_sample(job.examples, settings, job.given)
    for note in sample.notes:
        show(note)
    splits = sample.splits
    if job.held_out:
        write_examples(splits.test, job.held_out)
        log.info("held_out_written", file=str(job.held_out), rows=len(splits.test))
    seed_everything(settings.seed)
    log.info("loading_base", base=settings.base)
    training_rows = with_made_rows(splits, settings)
    labels, options = splits.train.label_names, settings.normaliser
    base = load_base(settings.base, settings.base_revision, labels, settings.cache_dir, settings.layers)
    max_tokens = choose_max_tokens(base, splits.train.texts, settings.max_tokens, options)
    check_served_ids(base.tokenizer, splits.train.texts[:PROBES], max_tokens, base.name, options)
    parts = {name: getattr(splits, name) for name in PARTS} | {"train": training_rows}
    encoded = {name: encode(base.tokenizer, part, max_tokens, options) for name, part in parts.items()}
    training: dict[str, Any] = {"layers": settings.layers or "all"}
    loss = None
    if settings.teacher is not None:
        texts = Texts(
            replace(splits, train=training_rows),
            encoded["train"],
            lambda texts: tokenise(base.tokenizer, texts, max_tokens, options),
        )
        guided = distil(settings.teacher, texts, settings, device=device)
        loss, encoded["train"] = guided.loss, guided.rows
        training |= guided.described
    config = training_config(settings, base, splits, device, rows=len(encoded["train"]))
    if config.batch_size < job.world.size:
        raise SettingsError(
            f"--batch-size {config.batch_size} is less than the {job.world.size} processes, which share each batch"
        )
    freeze(base.model, config.freeze, base.name)
    return Prepared(
        sample=sample,
        base=base,
        encoded=encoded,
        config=config,
        max_tokens=max_tokens,
        normaliser=options,
        device=device,
        random_state=torch.get_rng_state(),
        training={
            **training_settings(config, sample, device, settings.label_map),
            **made_settings(settings),
            "budget": settings.budget or "none",
            **({"processes": job.world.size} if job.world.size > 1 else {}),
            **training,
        },
        loss=loss,
    )


def _finetune(prepared: Prepared, job: Job, settings: TrainerSettings, saving: Saving | None) -> TrainingState:
    base, config, encoded = prepared.base, prepared.config, prepared.encoded
    log.info("training", base=base.name, max_tokens=prepared.max_tokens, **prepared.training)
    if job.tracker:
        job.tracker.settings({"base": base.name, "max_tokens": prepared.max_tokens, **prepared.training})
    plan, pacer = None, None
    if settings.budget_s:
        pacer = Pacer(job.began)
        # A resumed training follows the plan of its checkpoint, so that it ends with the same weights.
        if not (saving and saving.checkpoint.path.exists()):
            later = sum(encoded[name].size for name in PARTS if name != "train")
            if job.behaviour:
                suite = tokenise(base.tokenizer, sentences(), prepared.max_tokens, prepared.normaliser)
                later += sum(map(len, suite))
            stopwatch = Stopwatch(
                base.model, encoded["train"], encoded["validation"], config, prepared.device, world=job.world
            )
            plan = Budget(settings.budget_s, pacer, later).plan(stopwatch, settings.batch_size)
    with reporting() as terminal:
        reporter = Reporting(terminal, job.tracker) if job.tracker else terminal
        return finetune(
            base.model,
            encoded["train"],
            encoded["validation"],
            config,
            device=prepared.device,
            reporter=reporter,
            plan=plan,
            pacer=pacer,
            loss=prepared.loss,
            saving=saving,
            world=job.world,
        )


def _as_done(state: TrainingState) -> dict[str, Any]:
    """What a budget has decided, for the manifest."""
    epochs = round(state.plan.steps / state.per_epoch, 3)
    return {"epochs": epochs, "steps": state.plan.steps, "batch_size": state.plan.batch_size}


def _save(folder: Path, job: Job, prepared: Prepared, max_segments: int) -> Artifact:
    """Writes the model without a calibration, and verifies that it answers like the one in memory."""
    base, max_tokens = prepared.base, prepared.max_tokens
    name = job.name or job.output.absolute().name
    manifest = make_manifest(
        name,
        base,
        prepared.sample,
        prepared.training,
        max_tokens=max_tokens,
        max_segments=max_segments,
        options=prepared.normaliser,
    )
    save_model(folder, base.model, base.tokenizer, max_tokens)
    write_parts(folder, prepared.sample.splits)
    artifact = seal(folder, manifest)
    verify_saved(artifact, base.model, prepared.encoded["test"].take(PROBES))
    return artifact


def _checkpoint(job: Job, prepared: Prepared) -> Checkpoint:
    parts = {name: getattr(prepared.sample.splits, name).fingerprint() for name in PARTS}
    base = prepared.base
    training = {name: value for name, value in prepared.training.items() if name not in {"threads", "processes"}}
    identity = (
        f"{base.name} {base.revision} {prepared.max_tokens} {prepared.normaliser!r} {sorted(parts.items())} "
        f"{training}"
    )
    return Checkpoint(checkpoint_path(job.output), identity, job.world.size)


def checkpoint_path(output: Path) -> Path:
    """A file next to the output folder and not in it: publishing the model replaces that folder."""
    return output.absolute().with_name(f"{output.name}.checkpoint.safetensors")
