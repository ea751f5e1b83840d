"""`sentiment-consumer health`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from consumer.commands.options import HTTP, settings_options
from consumer.http.probe import ask
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.terminal import say


class Probe(StrEnum):
    """The probes of a process."""

    LIVEZ = "livez"
    READYZ = "readyz"
    STARTUPZ = "startupz"


@settings_options(*HTTP)
def health(
    loaded: Loaded[ConsumerSettings],
    probe: Annotated[Probe, typer.Argument(help="What to ask.")] = Probe.READYZ,
) -> None:
    """Ask a running process for its health; the exit code is 0, or 1 with a line that says why not.

    For containers without curl. It has to have the port of that process, as `run --http-port` or `serve` have it.
    """
    if why := ask(loaded.settings, probe):
        say(why, error=True)
        raise typer.Exit(1)
