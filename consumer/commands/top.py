"""`sentiment-consumer top`."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from consumer.commands.options import settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.errors import SettingsError
from shared.http.listening import address_of

UNANSWERED: Final = 1
"""Exit code where no process answers the last report."""


@settings_options()
def top(
    loaded: Loaded[ConsumerSettings],
    processes: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROCESS", help="Port, HOST:PORT or URL of the metrics of each process."),
    ] = None,
    *,
    interval_s: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two reports.")] = 2.0,
    reports: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Reports before it ends; default: 1, in a terminal none."),
    ] = None,
) -> None:
    """Show live figures of running processes, from their metrics.

    Without a PROCESS it is the one that the setting metrics.port names; metrics.token is sent to each. Ctrl-C ends
    it. Where the output is not a terminal it is plain text, once, and the exit code is 1 if no process answers.
    """
    from rich.console import Console  # noqa: PLC0415

    from consumer.top.live import watch  # noqa: PLC0415
    from shared.http.scrape import MAX_TARGETS, parse_target  # noqa: PLC0415

    settings = loaded.settings.metrics
    if not processes:
        if settings.port is None:
            raise SettingsError(
                "no process: give the ports of --metrics-port, such as sentiment-consumer top 9464"
            )
        host = address_of(settings.host)
        processes = [f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"]
    if len(processes) > MAX_TARGETS:
        raise typer.BadParameter(f"at most {MAX_TARGETS} processes")
    try:
        targets = [parse_target(one) for one in processes]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    # A label may hold a character that the encoding of a terminal lacks.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    token = settings.token.get_secret_value() if settings.token else None
    console = Console(highlight=False)
    try:
        view = watch(console, targets, token, interval_s=interval_s, reports=reports)
    except KeyboardInterrupt:
        return
    if all(one.trouble for one in view.processes):
        raise typer.Exit(UNANSWERED)
