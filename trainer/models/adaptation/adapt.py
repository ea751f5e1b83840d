"""The way of `adapt`: from texts without labels and a base to a base that has read them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import InputDataError, SettingsError
from shared.inference.device import choose_device
from shared.text import DEFAULT_OPTIONS
from trainer.data.duplicates import spelling
from trainer.evaluation.provenance import libraries
from trainer.models.adaptation.base import MaskedBase, load_masked_base
from trainer.models.adaptation.card import Origin, read_origin, write_origin
from trainer.models.adaptation.masked import (
    MaskedLoss,
    MaskedModel,
    held_out_loss,
    maskable_tokens,
    measure_masked,
)
from trainer.models.adaptation.recipe import adaptation_config
from trainer.models.budget import Budget
from trainer.models.distributed.world import ALONE, World, check_devices
from trainer.models.model_folder import replacing
from trainer.models.recipe import choose_max_tokens
from trainer.models.train import PROBES, checkpoint_path
from trainer.models.transformer.base import load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import Encoded, check_served_ids, tokenise
from trainer.models.transformer.finetune import Saving, finetune, seed_everything
from trainer.models.transformer.progress import reporting
from trainer.models.transformer.schedule.budget import Stopwatch
from trainer.models.transformer.schedule.pacer import Pacer
from trainer.models.transformer.step import autocast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.models.transformer.training_state import TrainingConfig, TrainingState
    from trainer.settings import TrainerSettings

MIN_TEXTS: Final = 100
"""Different texts, at least: fewer teach nothing, and hold too few out to see it."""
HELD_OUT: Final = 0.05
MAX_HELD_OUT: Final = 2_000
"""Texts: of 25 tokens, a standard error of 0.03 in the loss."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of one run of `adapt`."""

    texts: Sequence[str]
    data: str
    """What the texts were read from."""
    output: Path
    resume: bool = False
    world: World = ALONE
    began: float = field(default_factory=time.monotonic)
    """When the time of a budget began, by `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that is decided before the first step."""

    masked: MaskedBase
    model: MaskedModel
    train: Encoded
    held_out: Encoded
    loss: MaskedLoss
    config: TrainingConfig
    max_tokens: int
    device: str
    fingerprint: str


def adapt(job: Job, settings: TrainerSettings) -> Origin:
    """Trains the base on the texts and writes it; raises SentimentError with what to do."""
    _check_output(job.output)
    prepared = _prepare(job, settings)
    config, device = prepared.config, prepared.device
    described = {"max_tokens": prepared.max_tokens, "device": device, **asdict(config)}
    log.info("adapting", base=prepared.masked.base.name, texts=len(prepared.train), **described)
    with autocast(device, config):
        before = held_out_loss(prepared.model, prepared.held_out, device, config.seed)
    saving = None
    if job.resume:
        saving = Saving(_checkpoint(job, prepared, described), settings.checkpoint_every_s)
    state = _train(job, prepared, settings, saving)
    after = state.history[state.best].validation_loss
    if after >= before:
        log.warning(
            "not_better", before=before, after=after, effect="the held-out texts are guessed no better than before"
        )
    described |= {"epochs": round(state.plan.steps / state.per_epoch, 3), "steps": state.plan.steps}
    described |= {"batch_size": state.plan.batch_size, "budget": settings.budget or "none"}
    origin = _origin(job, prepared, described, before=before, after=after)
    if job.output.exists():
        job.output.rmdir()  # empty, as was checked
    with replacing(job.output) as folder:
        prepared.masked.save(folder)
        load_base(str(folder), None, ("a", "b"), settings.cache_dir)  # what `train --base` does with it
        write_origin(folder, origin)
    if saving:
        saving.checkpoint.remove()
    return origin


def _check_output(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SettingsError(f"--output {output} is not empty; give a new folder for the adapted base")


def _prepare(job: Job, settings: TrainerSettings) -> _Prepared:
    """Loads the base and encodes the texts: the same for equal arguments."""
    device = choose_device(settings.device)
    check_devices(device)
    first = {spelling(text): text for text in reversed(job.texts)}
    texts = [text for text in job.texts if first.pop(spelling(text), None) is not None]
    seed_everything(settings.seed)
    masked = load_masked_base(settings.base, settings.base_revision, settings.cache_dir)
    base = masked.base
    max_tokens = choose_max_tokens(base, texts, settings.max_tokens) if texts else base.positions
    check_served_ids(base.tokenizer, texts[:PROBES], max_tokens, base.name)
    rows = tokenise(base.tokenizer, texts, max_tokens, DEFAULT_OPTIONS)
    every = Encoded(rows, np.zeros(len(rows), np.int64), base.tokenizer.pad_token_id)
    maskable = maskable_tokens(every, base.tokenizer)
    order = np.random.default_rng(settings.seed).permutation(np.flatnonzero(maskable))
    log.info(
        "texts_used",
        texts=len(job.texts),
        repeated=len(job.texts) - len(texts),
        without_tokens=len(texts) - len(order),
    )
    if len(order) < MIN_TEXTS:
        raise InputDataError(
            f"{job.data} has {len(order)} different texts with known tokens; give at least {MIN_TEXTS}"
        )
    held = min(MAX_HELD_OUT, max(1, round(HELD_OUT * len(order))))
    config = adaptation_config(settings, device)
    if config.batch_size < job.world.size:
        raise SettingsError(
            f"--batch-size {config.batch_size} is less than the {job.world.size} processes, which share each batch"
        )
    return _Prepared(
        masked=masked,
        model=MaskedModel(base.model, base.tokenizer),
        train=_rows(every, order[held:]),
        held_out=_rows(every, order[:held]),
        loss=MaskedLoss(maskable[order[held:]], int(base.model.config.vocab_size)),
        config=config,
        max_tokens=max_tokens,
        device=device,
        fingerprint=hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest(),
    )


def _rows(every: Encoded, chosen: Any) -> Encoded:
    return Encoded([every.tokens[row] for row in chosen], every.labels[chosen], every.pad_id)


def _checkpoint(job: Job, prepared: _Prepared, described: dict[str, Any]) -> Checkpoint:
    base = prepared.masked.base
    identity = f"adapt {base.name} {base.revision} {prepared.fingerprint} {described}"
    return Checkpoint(checkpoint_path(job.output), identity, job.world.size)


def _train(job: Job, prepared: _Prepared, settings: TrainerSettings, saving: Saving | None) -> TrainingState:
    """Leaves the best weights in the model."""
    plan, pacer = None, None
    if settings.budget_s:
        pacer = Pacer(job.began)
        # A resumed training follows the plan of its checkpoint, so that it ends with the same weights.
        if not (saving and saving.checkpoint.path.exists()):
            stopwatch = Stopwatch(
                prepared.model,
                prepared.train,
                prepared.held_out,
                prepared.config,
                prepared.device,
                world=job.world,
                loss=prepared.loss,
                measure=measure_masked,
            )
            plan = Budget(settings.budget_s, pacer, later_tokens=0).plan(stopwatch, settings.batch_size)
    with reporting() as reporter:
        return finetune(
            prepared.model,
            prepared.train,
            prepared.held_out,
            prepared.config,
            device=prepared.device,
            reporter=reporter,
            plan=plan,
            pacer=pacer,
            loss=prepared.loss,
            measure=measure_masked,
            saving=saving,
            world=job.world,
        )


def _origin(job: Job, prepared: _Prepared, described: dict[str, Any], *, before: float, after: float) -> Origin:
    masked = prepared.masked
    earlier = read_origin(masked.folder)
    return Origin(
        base=masked.base.name,
        revision=masked.base.revision,
        licence=masked.licence or (earlier or {}).get("licence"),
        has_new_head=masked.has_new_head,
        data=job.data,
        texts=len(prepared.train),
        held_out=len(prepared.held_out),
        fingerprint=prepared.fingerprint,
        loss_before=before,
        loss_after=after,
        training={**described, "threads": torch.get_num_threads(), "processes": job.world.size},
        libraries=libraries(),
        created_at=datetime.now(UTC).replace(microsecond=0).isoformat(),
        before=earlier,
    )
