"""`sentiment-consumer check`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.commands.options import IDENTITY, INPUT, KAFKA, LOGS, MODEL, TOPICS, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded


@settings_options(
    *KAFKA, *MODEL, *TOPICS, *IDENTITY, "auto_offset_reset", "format", *INPUT, "on_null", "timestamps", *LOGS
)
def check(
    loaded: Loaded[ConsumerSettings],
    *,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Number of the input's newest records to read; a table counts what they would become.",
        ),
    ] = None,
) -> None:
    """Test broker, rights, topics, model folder and device; each line is ok or says what to do.

    `warn` is what may hurt, `FAIL` what is sure to.
    """
    from consumer.preflight.checks import run_checks  # noqa: PLC0415

    raise typer.Exit(run_checks(loaded.settings, sample))
