"""`sentiment-trainer evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import COLUMNS, Data, Labels, settings_options
from trainer.settings import TrainerEnvironment


@settings_options(*COLUMNS, "trainer.device", "log_level")
def evaluate(
    loaded: Loaded[TrainerEnvironment],
    *,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    data: Data,
    labels: Labels = None,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the result into the folder.")] = True,
) -> None:
    """Measures a model on labelled texts; with --write its metrics.json and card tell the result."""
    from trainer.evaluation import evaluate as evaluation  # noqa: PLC0415
    from trainer.evaluation.report import figures_table  # noqa: PLC0415
    from trainer.models.base import hush_transformers  # noqa: PLC0415
    from trainer.models.devices import choose_device  # noqa: PLC0415
    from trainer.models.train import column_names  # noqa: PLC0415

    settings = loaded.settings.trainer
    hush_transformers()
    found = evaluation.evaluate(
        model, data, column_names(settings), labels=labels, device=choose_device(settings.device), write=write
    )
    show(figures_table(f"{model} on {found.name}: {found.figures.rows:,} rows", found.figures))
    show(f"version {found.version}" + (f", written to {model / 'README.md'}" if write else ""))
