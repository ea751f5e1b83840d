"""`sentiment-trainer export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import (
    COLUMNS,
    FILES,
    LABELS,
    LOGS,
    SPLIT,
    Calibration,
    Labels,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.settings import TrainerEnvironment


@settings_options(*FILES, *COLUMNS, *LABELS, *SPLIT, *LOGS)
def export(
    loaded: Loaded[TrainerEnvironment],
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    *,
    data: Annotated[Path, typer.Option("--data", help="The data that the model was trained on.")],
    kind: Annotated[Literal["int8"], typer.Option("--precision", help="Precision of the graph.")],
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    calibration_rows: Annotated[
        int,
        typer.Option(
            "--calibration-rows", help="Training rows that set the ranges of int8.", min=1, max=1_000_000
        ),
    ] = 300,
) -> None:
    """Adds a faster graph for CPUs to a model folder, if its answers to held-out rows agree with the model's.

    Give the data, the files of given parts, and the options for columns and labels, that it was trained with.
    """
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.models.export import export_int8, figures  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    settings = loaded.settings.trainer
    hush_transformers()
    artifact = export_int8(
        model,
        read_data(data, settings, labels),
        settings,
        calibration_rows=calibration_rows,
        given=read_given(settings, validation, calibration, test),
    )
    if artifact.manifest.int8:
        show(figures(artifact.manifest.int8))
    show(f"{artifact.path}: version {artifact.version}, now with {kind}")
