"""`sentiment-trainer train`."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.errors import SettingsError
from shared.terminal import show
from trainer.commands.inspect import refuse_faults, report_on
from trainer.commands.options import (
    BASE,
    COLUMNS,
    FILES,
    GATES,
    GIVEN,
    LABELS,
    LOGS,
    MODEL,
    RESULTS,
    SPLIT,
    TRAINING,
    BehaviourSuite,
    Calibration,
    Data,
    Labels,
    Name,
    Overwrite,
    Strict,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.models.distributed.world import is_launched, the_world
from trainer.models.ignored import NOT_OF_A_CNN, OF_A_BASE, OF_THE_LOOP, refuse_ignored
from trainer.settings import TrainerEnvironment


@settings_options(
    *MODEL,
    *BASE,
    *FILES,
    *COLUMNS,
    *LABELS,
    *SPLIT,
    "trainer.source_column",
    *GIVEN,
    *TRAINING,
    *RESULTS,
    *GATES,
    "trainer.report_to",
    "trainer.cache_dir",
    *LOGS,
)
def train(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Model folder to write.")],
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    strict: Strict = False,
    name: Name = None,
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="Parquet file for the test rows, which the model never sees."),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep a checkpoint next to the output; continue from it if it exists.")
    ] = False,
    behaviour: BehaviourSuite = True,
) -> None:
    """Trains a model on labelled texts; writes a tested, calibrated, sealed model folder."""
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.labels.scale import hints  # noqa: PLC0415

    began = time.monotonic()
    settings = loaded.settings.trainer
    if settings.model == "cnn":
        reason = "a CNN is trained from nothing in fp32, and stops by its validation loss after each epoch"
        refuse_ignored(settings, NOT_OF_A_CNN, reason, resume=False)
    elif settings.model != "transformer":
        reason = f"{settings.model} has neither an encoder nor a training loop"
        refuse_ignored(settings, (*OF_A_BASE, *OF_THE_LOOP), reason, resume=resume)
    if settings.characters and settings.model in {"transformer", "cnn"}:
        raise SettingsError("--characters is for baselines; leave it out, or choose one with --model")
    if is_launched() and settings.model != "transformer":
        raise SettingsError(f"--model {settings.model} is trained in one process: leave out torchrun")
    # First, so that an error in the data does not take the seconds that importing torch takes.
    examples = read_data(data, settings, labels)
    given = read_given(settings, validation, calibration, test)
    quality = report_on(examples, str(data), settings, given)
    refuse_faults(quality, strict=strict)
    for hint in hints(examples.label_names):
        show(hint)
    if examples.report.time_fault and settings.split == "auto":
        show(f"the split is at random: {examples.report.time_fault}")

    from trainer.evaluation.behaviour.tables import behaviour_table  # noqa: PLC0415
    from trainer.evaluation.report import TEST, figures_table  # noqa: PLC0415
    from trainer.models import train as training  # noqa: PLC0415
    from trainer.models.baselines.training import train_baseline  # noqa: PLC0415
    from trainer.models.cnn.training import train_cnn  # noqa: PLC0415
    from trainer.models.tracking import tracking  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    fit = {"transformer": training.train, "cnn": train_cnn}.get(settings.model, train_baseline)
    with tracking(settings.report_to, output) as tracker:
        job = training.Job(
            examples=examples,
            output=output,
            given=given,
            held_out=held_out,
            name=name,
            overwrite=overwrite,
            resume=resume,
            behaviour=behaviour,
            began=began,
            command=shlex.join(["sentiment-trainer", *sys.argv[1:]]),
            quality=quality,
            tracker=tracker,
            world=the_world(),
        )
        artifact, report = fit(job, settings)
    show(figures_table(f"Held-out test rows: {report.evaluations[TEST].rows:,}", report.evaluations[TEST]))
    if report.behaviour:
        show(behaviour_table(report.behaviour))
    show(
        f"{artifact.path}: version {artifact.version}, its card is {artifact.path / 'README.md'}, its report "
        f"{artifact.path / 'report.html'}"
    )
