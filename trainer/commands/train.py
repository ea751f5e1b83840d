"""`sentiment-trainer train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import COLUMNS, FILES, LABELS, SPLIT, TRAINING, Data, Labels, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(
    "trainer.base",
    "trainer.base_revision",
    *FILES,
    *COLUMNS,
    *LABELS,
    *SPLIT,
    *TRAINING,
    "trainer.cache_dir",
    "log_level",
)
def train(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Model folder to write.")],
    labels: Labels = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: the folder's.", show_default=False)
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="Parquet file for the test rows, which the model never sees."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older model.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep a checkpoint next to the output; continue from it if it exists.")
    ] = False,
) -> None:
    """Fine-tunes a base on labelled texts; writes a tested, calibrated, sealed model folder."""
    from trainer.data.labels.rules import label_rules  # noqa: PLC0415
    from trainer.data.labels.scale import hints  # noqa: PLC0415
    from trainer.data.readers import column_names, read_examples  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    settings = loaded.settings.trainer
    # First, so that an error in the data does not take the seconds that importing torch takes.
    examples = read_examples(data, column_names(settings), labels, label_rules(settings))
    show(data_table(examples, str(data)))
    for hint in hints(examples.label_names):
        show(hint)
    if examples.report.time_fault and settings.split == "auto":
        show(f"the split is at random: {examples.report.time_fault}")

    from trainer.evaluation.report import TEST, figures_table  # noqa: PLC0415
    from trainer.models import train as training  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    job = training.Job(
        examples=examples,
        output=output,
        held_out=held_out,
        name=name,
        overwrite=overwrite,
        resume=resume,
        command=shlex.join(["sentiment-trainer", *sys.argv[1:]]),
    )
    artifact, report = training.train(job, settings)
    show(figures_table(f"Held-out test rows: {report.evaluations[TEST].rows:,}", report.evaluations[TEST]))
    show(
        f"{artifact.path}: version {artifact.version}, its card is {artifact.path / 'README.md'}, its report "
        f"{artifact.path / 'report.html'}"
    )
