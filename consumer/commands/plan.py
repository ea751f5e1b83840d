"""`sentiment-consumer plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consumer.commands.options import KAFKA, LOGS, MODEL, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded


@settings_options(*KAFKA, *MODEL, "input_topics", "format", "text_field", *LOGS)
def plan(
    loaded: Loaded[ConsumerSettings],
    *,
    sample: Annotated[
        Path | None, typer.Option(help="One text a line, or JSON Lines (.jsonl); default: the input's newest.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many records of the input topics, without --sample.")
    ] = 2_000,
    target_p99: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=3_600_000, help="Milliseconds that a text may take to its publish, under load."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.001, max=3_600, help="For each measurement.")] = 3.0,
    output: Annotated[Path, typer.Option(help="Settings file to write; must not exist.")] = Path("plan.yaml"),
) -> None:
    """Measure this model on this device, and write the best limits as a settings file."""
    from consumer.plan.planning import Request, make_plan  # noqa: PLC0415

    target_s = None if target_p99 is None else target_p99 / 1000
    request = Request(output, sample, last, seconds, target_s, loaded.file)
    make_plan(loaded.settings, request, loaded.origins)
