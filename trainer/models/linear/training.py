"""The way of `train` for few labels: a frozen encoder and a linear head, in an ordinary model folder."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.inference.device import choose_device
from shared.inference.engines.torch.pooling import MeanPooled, output_layer
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import seal
from shared.model_folder.manifest import Pooling
from shared.terminal import show
from trainer.data.examples import write_examples
from trainer.data.parts import PARTS, write_parts
from trainer.data.sample import draw_sample
from trainer.evaluation.chance import doubts_after
from trainer.evaluation.postprocessing.calibration import bias_of_weighting
from trainer.evaluation.postprocessing.fitting import Rows, fit_postprocessing
from trainer.evaluation.provenance import make_manifest, rows_of
from trainer.evaluation.report import TrainingReport
from trainer.models.finish import tested_with
from trainer.models.ignored import OF_THE_LOOP
from trainer.models.linear.head import fit_head, install, pooled_layers, pooled_vectors
from trainer.models.model_folder import replacing, save_model, verify_saved
from trainer.models.recipe import choose_max_tokens
from trainer.models.transformer.base import load_base
from trainer.models.transformer.encoding import check_served_ids, encode
from trainer.models.transformer.finetune import seed_everything

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.data.sample import Sample
    from trainer.evaluation.report import Report
    from trainer.models.finish import Finish
    from trainer.models.linear.head import LinearHead
    from trainer.models.train import Job
    from trainer.settings import TrainerSettings

FEW_ROWS: Final = 100
"""Rows a label, on average, below which the head is linear by default: on TweetEval the linear head was 1.1 points
better at 86 rows a label, and 2.1 points worse at 167 (decision 25)."""
PROBES: Final = 64

log = structlog.get_logger()


def wants_linear_head(examples: Examples, settings: TrainerSettings, *, resume: bool) -> bool:
    """Whether the head is linear: as the settings say, or for few labels by default.

    Who sets an option of the training loop, such as --epochs or --teacher, or resumes, wants that loop.
    """
    if settings.head != "auto":
        return settings.head == "linear"
    if resume or settings.model_fields_set & set(OF_THE_LOOP):
        return False
    return _rows_a_label(examples) < FEW_ROWS


def why_linear(examples: Examples) -> str:
    """The line for a user who has not chosen a linear head."""
    return (
        f"{_rows_a_label(examples):.0f} rows a label, fewer than {FEW_ROWS}: the encoder stays as it is, and a "
        "linear head is fitted to its vectors; --head fine-tune trains the encoder too"
    )


def _rows_a_label(examples: Examples) -> float:
    return len(examples) / len(examples.label_names)


def train_linear(job: Job, settings: TrainerSettings, finish: Finish) -> tuple[Artifact, Report]:
    """Fits, calibrates, tests and seals a model; raises SentimentError with what to do."""
    if settings.head == "auto":
        show(why_linear(job.examples))
    device = choose_device(settings.device)
    # Cross-validation takes their place, and few labels are too many to give away.
    sample = draw_sample(
        job.examples,
        settings.model_copy(update={"validation_fraction": 0.0, "calibration_fraction": 0.0}),
        job.given,
    )
    notes = [*sample.notes]
    if unused := [name for name in ("validation", "calibration") if len(getattr(sample.splits, name))]:
        notes.append(f"The {' and the '.join(unused)} rows are not used: a linear head is cross-validated.")
    for note in notes:
        show(note)
    if job.held_out:
        write_examples(sample.splits.test, job.held_out)
    seed_everything(settings.seed)
    train = sample.splits.train
    base = load_base(settings.base, settings.base_revision, train.label_names, settings.cache_dir, settings.layers)
    options = settings.normaliser
    max_tokens = choose_max_tokens(base, train.texts, settings.max_tokens, options)
    check_served_ids(base.tokenizer, train.texts[:PROBES], max_tokens, base.name, options)
    layers = pooled_layers(int(base.model.config.num_hidden_layers))
    model = MeanPooled(base.model, layers)
    rows = encode(base.tokenizer, train, max_tokens, options)
    log.info("fitting_a_linear_head", base=base.name, rows=len(rows), pooled_layers=layers, device=device)
    head = fit_head(
        pooled_vectors(model, rows.tokens, rows.pad_id, device),
        rows.labels,
        train.label_names,
        class_weighting=settings.class_weighting,
        seed=settings.seed,
        bias=output_layer(base.model).bias is not None,
    )
    install(base.model, head)
    training = _training(head, layers, sample, settings, device)
    log.info("head_fitted", **training)
    if job.tracker:
        job.tracker.settings(training)
    fitted = None
    if head.folds:
        known = Rows(head.out_of_fold, rows.labels)
        shares = np.bincount(rows.labels, minlength=len(train.label_names)) / len(rows)
        expected = bias_of_weighting(shares.tolist(), settings.class_weighting)
        fitted = fit_postprocessing(known, known, finish.wanted, expected_bias=expected)
    with replacing(job.output) as folder:
        name = job.name or job.output.absolute().name
        manifest = make_manifest(
            name,
            base,
            sample,
            training,
            max_tokens=max_tokens,
            max_segments=settings.max_segments,
            options=options,
        )
        calibration = rows_of(train) if head.folds else None
        save_model(folder, base.model, base.tokenizer, max_tokens)
        write_parts(folder, sample.splits)
        raw = seal(
            folder,
            manifest.model_copy(update={"pooling": Pooling(layers=layers), "calibration": calibration}),
        )
        test = sample.splits.test
        verify_saved(raw, model, encode(base.tokenizer, test, max_tokens, options).take(PROBES))
        postprocessing = fitted.postprocessing if fitted else Postprocessing.of(raw.manifest)
        tested = tested_with(raw, test, device, postprocessing, command=job.command)
        for note in (found := doubts_after(tested.figures)):
            log.warning("training_in_doubt", note=note)
        notes += found
        course = TrainingReport(
            rows={part: len(getattr(sample.splits, part)) for part in PARTS},
            order=sample.splits.order,
            left_out=sample.left_out,
            notes=notes,
            seconds=round(time.monotonic() - job.began, 1),
            best_step=None,
            engine=tested.engine,
            history=[],
        )
        artifact, report = finish.publish(folder, raw, fitted, tested, course)
    return replace(artifact, path=job.output), report  # it was sealed under its temporary name


def _training(
    head: LinearHead, layers: tuple[int, ...], sample: Sample, settings: TrainerSettings, device: str
) -> dict[str, Any]:
    """Everything that can change the weights, except base and data; for the manifest."""
    return {
        "head": "linear",
        "strength": head.strength,
        "folds": head.folds,
        "class_weighting": settings.class_weighting,
        "layers": settings.layers or "all",
        "pooled_layers": " ".join(map(str, layers)),
        "split": sample.splits.order,
        **{f"{name}_rows": len(getattr(sample.splits, name)) for name in PARTS},
        "device": device,
        "label_map": settings.label_map or "none",
        "seed": settings.seed,
        "threads": torch.get_num_threads(),
    }
