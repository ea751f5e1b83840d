"""Shows the figures again and again in a terminal, or some times as plain text elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.live import Live

from consumer.top.history import History
from consumer.top.view import screen
from shared.http.scrape import scrape_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from consumer.top.history import View
    from shared.http.scrape import NoAnswer, Snapshot, Target

    Ask = Callable[[Sequence[Target], str | None], list[Snapshot | NoAnswer]]

PLAIN_COLUMNS: Final = 80


def watch(
    console: Console,
    targets: Sequence[Target],
    token: str | None,
    *,
    interval_s: float,
    reports: int | None,
    ask: Ask = scrape_all,
    sleep: Callable[[float], object] = time.sleep,
) -> View:
    """Shows figures every `interval_s` until it is interrupted, or until there were `reports`; returns the last.

    The first report comes after the second answer, since a rate needs two.
    """
    history = History(targets)
    history.add(ask(targets, token))
    if console.is_terminal and reports is None:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                sleep(interval_s)
                view = history.add(ask(targets, token))
                live.update(screen(view, width=console.width, lines=True), refresh=True)
    for _ in range(reports or 1):
        sleep(interval_s)
        view = history.add(ask(targets, token))
        width = console.width if console.is_terminal else PLAIN_COLUMNS
        console.print(screen(view, width=width, lines=console.is_terminal), width=width)
    return view
