"""`sentiment-trainer tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import (
    BASE,
    COLUMNS,
    FILES,
    GIVEN,
    LABELS,
    LOGS,
    SPLIT,
    TRAINING,
    Calibration,
    Data,
    Labels,
    Test,
    Validation,
    read_given,
    settings_options,
)
from trainer.duration import parse_duration
from trainer.settings import TrainerEnvironment


def _budget(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@settings_options(
    *BASE,
    *FILES,
    *COLUMNS,
    *LABELS,
    *SPLIT,
    *GIVEN,
    *(name for name in TRAINING if name != "trainer.budget"),
    "trainer.cache_dir",
    *LOGS,
)
def tune(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", help="YAML file for the best settings; the study is next to it.")
    ],
    labels: Labels = None,
    validation: Validation = None,
    calibration: Calibration = None,
    test: Test = None,
    trials: Annotated[
        int, typer.Option("--trials", help="Trials, over all runs with this output.", min=1, max=10_000)
    ] = 30,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget", parser=_budget, metavar="TIME", help="Time for trials, over all runs: 90m, 2h, 1d."
        ),
    ] = None,
) -> None:
    """Searches settings of `train` on the validation rows; the test rows are not scored. Run it again to go on.

    Searched are learning rate, batch size, epochs, warmup, weight decay, dropout and EMA decay, around what the
    other options say. Train with the result: train --config FILE, and the same --data.
    """
    from shared.errors import SettingsError  # noqa: PLC0415
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.report import data_table  # noqa: PLC0415

    settings = loaded.settings.trainer
    if settings.budget:
        raise SettingsError("trainer.budget is the time of one training; tune has its own --budget: unset it")
    if settings.head == "linear":
        raise SettingsError("trainer.head: a linear head has no settings to search, tune fine-tunes; unset it")
    # First, so that an error in the data does not take the seconds that importing torch takes.
    examples = read_data(data, settings, labels)
    given = read_given(settings, validation, calibration, test)
    show(data_table(examples, str(data)))

    from trainer.models.train import Job, prepare  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415
    from trainer.search import search as searching  # noqa: PLC0415

    hush_transformers()
    searching.check_output(output)
    prepared = prepare(Job(examples=examples, output=output, given=given), settings)
    found = searching.search(prepared, settings, output, searching.Limits(trials, budget))
    measure = prepared.config.chosen_by
    usual = "" if found.usual_value is None else f"; without a search {found.usual_value:.4f}"
    show(
        f"{found.trials} trials, {found.pruned} of them ended early, {found.seconds:,.0f} s: best "
        f"{measure} on the validation rows {found.value:.4f}{usual}"
    )
    show(f"{output} has the settings: sentiment-trainer train --config {output} --data {data} --output FOLDER")
    show(f"{searching.page_path(output)} shows all trials; {searching.study_path(output)} continues the search")
