"""From a labelled data set to a sealed model folder, step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import structlog
import torch

from shared.errors import InputDataError, SettingsError
from shared.inference.device import choose_device
from shared.inference.scorer import softmax
from shared.model_folder.artifact import seal
from trainer.data.examples import write_examples
from trainer.data.sample import Sample, draw_sample
from trainer.data.splits import PARTS
from trainer.evaluation.calibration import fit_temperature
from trainer.evaluation.diagnostics.diagnose import diagnose
from trainer.evaluation.metrics import figures
from trainer.evaluation.provenance import make_manifest, training_report, training_settings
from trainer.evaluation.report import TEST, Report
from trainer.evaluation.serving import serve
from trainer.models.model_folder import check_output, publish, replacing, save_model, verify_saved
from trainer.models.transformer.base import LoadedBase, load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import Encoded, encode, tokenise
from trainer.models.transformer.finetune import finetune, seed_everything
from trainer.models.transformer.progress import reporting
from trainer.models.transformer.training_state import TrainingConfig, TrainingState

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.evaluation.diagnostics.stored import Diagnostics
    from trainer.evaluation.metrics import Figures
    from trainer.settings import TrainerSettings

PROBES: Final = 64
"""Number of texts on which the saved model must answer exactly like the one in memory."""
MIN_MAX_TOKENS: Final = 64  # 99 % of TweetEval's training tweets have at most 53 tokens
COVERED_PERCENT: Final = 99.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of one run of `train`."""

    examples: Examples
    output: Path
    held_out: Path | None = None
    name: str | None = None
    overwrite: bool = False
    resume: bool = False
    command: str | None = None
    """The command line, for the report."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is decided before the first step."""

    sample: Sample
    base: LoadedBase
    encoded: dict[str, Encoded]
    """Encoded rows by part."""
    config: TrainingConfig
    max_tokens: int
    device: str
    random_state: torch.Tensor
    """Of torch after the head was made: the training goes on with it."""
    training: dict[str, Any]
    """Everything that can change the weights, except base and data; for the manifest."""


def train(job: Job, settings: TrainerSettings) -> tuple[Artifact, Report]:
    """Trains, calibrates, tests and seals a model; raises SentimentError with what to do."""
    began = time.monotonic()
    check_output(job.output, overwrite=job.overwrite)
    prepared = prepare(job.examples, settings, job.held_out)
    checkpoint = _checkpoint(job.output, prepared) if job.resume else None
    state = _finetune(prepared, checkpoint)
    with replacing(job.output) as folder:
        raw = _save(folder, job, prepared)
        temperature, tested = _calibrate(raw, prepared, job.command)
        report = Report(
            training=training_report(prepared.sample, state, tested.engine, time.monotonic() - began),
            evaluations={TEST: tested.figures},
        )
        artifact = publish(
            folder, raw.manifest.model_copy(update={"temperature": temperature}), report, tested.diagnostics
        )
    if checkpoint:
        checkpoint.remove()
    return replace(artifact, path=job.output), report  # it was sealed under its temporary name


def prepare(examples: Examples, settings: TrainerSettings, held_out: Path | None = None) -> Prepared:
    """Splits the data, loads the base and encodes the texts: the same for equal arguments."""
    device = choose_device(settings.device)
    sample = draw_sample(examples, settings)
    splits = sample.splits
    if held_out:
        write_examples(splits.test, held_out)
        log.info("held_out_written", file=str(held_out), rows=len(splits.test))
    seed_everything(settings.seed)
    log.info("loading_base", base=settings.base)
    base = load_base(settings.base, settings.base_revision, splits.train.label_names, settings.cache_dir)
    max_tokens = choose_max_tokens(base, splits.train, settings.max_tokens)
    config = training_config(settings, base, device)
    return Prepared(
        sample=sample,
        base=base,
        encoded={name: encode(base.tokenizer, getattr(splits, name), max_tokens) for name in PARTS},
        config=config,
        max_tokens=max_tokens,
        device=device,
        random_state=torch.get_rng_state(),
        training=training_settings(config, sample, device, settings.label_map),
    )


def _finetune(prepared: Prepared, checkpoint: Checkpoint | None) -> TrainingState:
    base, config, encoded = prepared.base, prepared.config, prepared.encoded
    log.info("training", base=base.name, max_tokens=prepared.max_tokens, **prepared.training)
    with reporting(config.epochs * config.steps_per_epoch(len(encoded["train"]))) as reporter:
        return finetune(
            base.model,
            encoded["train"],
            encoded["validation"],
            config,
            device=prepared.device,
            reporter=reporter,
            checkpoint=checkpoint,
        )


def _save(folder: Path, job: Job, prepared: Prepared) -> Artifact:
    """Writes the model without a fitted temperature, and verifies that it answers like the one in memory."""
    base, max_tokens = prepared.base, prepared.max_tokens
    name = job.name or job.output.absolute().name
    manifest = make_manifest(name, base, prepared.sample, prepared.training, max_tokens=max_tokens)
    save_model(folder, base.model, base.tokenizer, max_tokens)
    artifact = seal(folder, manifest)
    verify_saved(artifact, base.model, prepared.encoded["test"].take(PROBES))
    return artifact


@dataclass(frozen=True, slots=True)
class Tested:
    """What was found on the test rows, and the engine that scored them."""

    figures: Figures
    engine: str
    diagnostics: Diagnostics


def _calibrate(raw: Artifact, prepared: Prepared, command: str | None) -> tuple[float, Tested]:
    """Fits the temperature and computes the test metrics, from fp32 answers of the engine that serves here."""
    parts = {"calibration": prepared.sample.splits.calibration, "test": prepared.sample.splits.test}
    served = {
        name: serve(raw, part.texts, device=prepared.device, precision="fp32") for name, part in parts.items()
    }
    gold = {name: part.labels[served[name].rows] for name, part in parts.items()}
    if empty := [name for name in parts if not len(gold[name])]:
        raise InputDataError(f"no text of the {' and the '.join(empty)} rows can be scored; check the data")
    temperature = fit_temperature(served["calibration"].logits, gold["calibration"])
    found = figures(served["test"].logits, gold["test"], raw.manifest.labels, temperature)
    logits = served["test"].logits
    diagnostics = diagnose(
        parts["test"].take(served["test"].rows),
        before=softmax(logits),
        after=softmax(logits / temperature),
        predicted=logits.argmax(axis=1),
        command=command,
    )
    return temperature, Tested(found, served["test"].engine, diagnostics)


def choose_max_tokens(base: LoadedBase, examples: Examples, wanted: int | None) -> int:
    """The user's value, else the smallest multiple of 32 that COVERED_PERCENT of the training texts fit in.

    The latter is at least MIN_MAX_TOKENS and at most the maximum of the base. Raises SettingsError if `wanted` is
    above that maximum.
    """
    if wanted is not None:
        if wanted > base.positions:
            raise SettingsError(f"--max-tokens {wanted} is more than the {base.positions} that {base.name} reads")
        return wanted
    lengths = [len(row) for row in tokenise(base.tokenizer, examples.texts, base.positions)]
    needed = int(np.ceil(np.percentile(lengths, COVERED_PERCENT) / 32)) * 32
    return min(max(needed, MIN_MAX_TOKENS), base.positions)


def training_config(settings: TrainerSettings, base: LoadedBase, device: str) -> TrainingConfig:
    """The training config: the settings that affect the weights, with every automatic value resolved."""
    return TrainingConfig(
        epochs=settings.epochs,
        learning_rate=settings.learning_rate or base.learning_rate,
        batch_size=settings.batch_size,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        max_grad_norm=settings.max_grad_norm,
        class_weighting=settings.class_weighting,
        ema_decay=settings.ema_decay,
        evaluations_per_epoch=settings.evaluations_per_epoch,
        patience=settings.patience,
        dropout=settings.dropout,
        bf16=_uses_bf16(settings.precision, device),
        seed=settings.seed,
    )


def _uses_bf16(wanted: Literal["auto", "fp32", "bf16"], device: str) -> bool:
    """Whether to multiply in bf16. `auto` does if the hardware supports it; emulated, it is slower than fp32."""
    if wanted != "auto":
        return wanted == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def _checkpoint(output: Path, prepared: Prepared) -> Checkpoint:
    parts = {name: getattr(prepared.sample.splits, name).fingerprint() for name in PARTS}
    base = prepared.base
    identity = f"{base.name} {base.revision} {prepared.max_tokens} {sorted(parts.items())} {prepared.training}"
    # Next to the output folder and not in it: publishing the model replaces that folder.
    return Checkpoint(output.absolute().with_name(f"{output.name}.checkpoint.safetensors"), identity)
