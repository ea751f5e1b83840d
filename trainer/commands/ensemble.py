"""`sentiment-trainer ensemble`."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import (
    COLUMNS,
    FILES,
    GATES,
    GIVEN,
    LABELS,
    LOGS,
    RESULTS,
    SPLIT,
    BehaviourSuite,
    Calibration,
    Data,
    Labels,
    Name,
    Overwrite,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.settings import TrainerEnvironment


@settings_options(
    *FILES,
    *COLUMNS,
    *LABELS,
    *SPLIT,
    *GIVEN,
    *RESULTS,
    *GATES,
    "trainer.device",
    "trainer.cache_dir",
    *LOGS,
)
def ensemble(
    loaded: Loaded[TrainerEnvironment],
    models: Annotated[list[Path], typer.Argument(help="Model folders, two or more, with the same labels.")],
    *,
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", help="Model folder to write; it holds copies of the models.")
    ],
    method: Annotated[
        Literal["mean", "stack"],
        typer.Option("--method", help="stack: the weights of the models are fitted on the calibration rows."),
    ] = "mean",
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    name: Name = None,
    overwrite: Overwrite = False,
    behaviour: BehaviourSuite = True,
) -> None:
    """Averages the probabilities of models, in a calibrated and sealed folder: a teacher, which is not served.

    Give the data, and the options for parts, that the models were trained with: then no test row was seen.
    """
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    began = time.monotonic()
    settings = loaded.settings.trainer
    # First, so that an error in the data does not take the seconds that importing torch takes.
    examples = read_data(data, settings, labels)
    given = read_given(settings, validation, calibration, test)
    show(data_table(examples, str(data)))

    from trainer.evaluation.behaviour.tables import behaviour_table  # noqa: PLC0415
    from trainer.evaluation.report import TEST, figures_table  # noqa: PLC0415
    from trainer.models.ensemble.table import members_table  # noqa: PLC0415
    from trainer.models.ensemble.training import make_ensemble  # noqa: PLC0415
    from trainer.models.train import Job  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    job = Job(
        examples=examples,
        output=output,
        given=given,
        name=name,
        overwrite=overwrite,
        behaviour=behaviour,
        began=began,
        command=shlex.join(["sentiment-trainer", *sys.argv[1:]]),
    )
    artifact, report, joined = make_ensemble(models, method, job, settings)
    show(members_table(joined))
    show(figures_table(f"Held-out test rows: {report.evaluations[TEST].rows:,}", report.evaluations[TEST]))
    if report.behaviour:
        show(behaviour_table(report.behaviour))
    show(
        f"{artifact.path}: version {artifact.version}; it is not served: distil it with sentiment-trainer train "
        f"--teacher {artifact.path}"
    )
