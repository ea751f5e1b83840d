"""Threads of the dashboard: one that fails ends the process, since nobody else would notice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from shared.logs import EXIT_UNFORESEEN, end_process, say_error, unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable


def start_guarded(
    work: Callable[[], None], name: str, end: Callable[[int], object] = end_process
) -> threading.Thread:
    """Starts a daemon thread; whatever it raises is one line on standard error and the exit code 70."""

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread has nobody who catches it
            say_error(f"the thread {name} of the dashboard has ended: {unforeseen(error)}")
            end(EXIT_UNFORESEEN)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
