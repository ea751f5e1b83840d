"""`sentiment-consumer topics`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.commands.options import KAFKA, TOPICS, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.terminal import say

app = typer.Typer(help="The topics this service reads and writes.", no_args_is_help=True)


@app.command("create")
@settings_options(*KAFKA, *TOPICS)
def create(
    loaded: Loaded[ConsumerSettings],
    *,
    partitions: Annotated[int | None, typer.Option(min=1, max=10_000, help="Default: the input's, or 4.")] = None,
    replication: Annotated[
        int, typer.Option(min=-1, max=1_000, help="Replicas; -1 is the broker's default.")
    ] = -1,
) -> None:
    """Create the input, output and dead-letter topics that do not exist."""
    from consumer.preflight.questions import Preflight  # noqa: PLC0415

    for line in Preflight(loaded.settings).create_topics(partitions, replication):
        say(line)
