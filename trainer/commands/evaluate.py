"""`sentiment-trainer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import COLUMNS, FILES, LABELS, Data, Labels, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(*FILES, *COLUMNS, *LABELS, "trainer.device", "log_level")
def evaluate(
    loaded: Loaded[TrainerEnvironment],
    *,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    data: Data,
    labels: Labels = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"],
        typer.Option("--precision", help="Precision to evaluate in; auto: the one that serves on this machine."),
    ] = "auto",
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the result into the folder.")] = True,
) -> None:
    """Evaluates a model on labelled texts; with --write, adds the result to its metrics.json and model card."""
    from shared.model_folder.artifact import open_artifact  # noqa: PLC0415
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    settings = loaded.settings.trainer
    # First, so that an error in them does not take the seconds that importing torch takes.
    artifact = open_artifact(model)
    examples = read_data(data, settings, labels)
    show(data_table(examples, str(data)))

    from trainer.evaluation import evaluate as evaluation  # noqa: PLC0415
    from trainer.evaluation.report import figures_table  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    found = evaluation.evaluate(
        artifact, examples, data.resolve().name, device=settings.device, precision=precision, write=write
    )
    show(figures_table(f"{model} on {found.name}: {found.figures.rows:,} rows", found.figures))
    show(
        f"version {found.version}, scored by {found.engine}"
        + (f", written to {model / 'README.md'}" if write else "")
    )
