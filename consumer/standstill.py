"""Calls that never return: one that is known to do so is left behind, for any other the process ends.

Some calls into librdkafka have no timeout, a synchronous commit among them, or one that it does not keep. A
member whose thread is inside such a call still sends heartbeats from librdkafka's own thread, so its
partitions stay with it and nobody reads them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self, TypeVar

import structlog

from shared.errors import RecoveriesExhausted

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

T = TypeVar("T")

LOOKS: Final = 20
"""So often within the limit is looked whether the loop has come round."""


def returning(call: Callable[[], T], within_s: float, name: str) -> T:
    """Runs a call on a thread of its own, called `name`, and returns or raises what it does.

    Raises TimeoutError when it has not returned within `within_s`; the thread is left inside it then, so
    nothing that the call uses may be used again.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            outcome.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return outcome.result(within_s)


class StandstillWatch:
    """Watches the thread that enters it; ends the process with exit code 75 when `turned` is overdue.

    Ending hard is safe: what is not committed is read again.
    """

    def __init__(self, limit_s: float, *, end: Callable[[int], object] = os._exit) -> None:
        self._limit_s = limit_s
        self._end = end
        self._turned_at = time.monotonic()
        self._left = threading.Event()
        self._watched = threading.get_ident()

    def turned(self) -> None:
        """Says that the loop has come round; any thread."""
        self._turned_at = time.monotonic()

    def __enter__(self) -> Self:
        """Begins to watch the calling thread."""
        self._watched = threading.get_ident()
        self.turned()
        threading.Thread(target=self._watch, name="standstill", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the watch."""
        self._left.set()

    def _watch(self) -> None:
        while not self._left.wait(self._limit_s / LOOKS):
            still_s = time.monotonic() - self._turned_at
            if still_s > self._limit_s:
                log.critical(
                    "standstill",
                    seconds=round(still_s, 1),
                    where=_stack(self._watched),
                    hint="a call did not return; nothing is lost: start again",
                )
                self._end(RecoveriesExhausted.exit_code)
                return


def _stack(thread: int) -> list[str]:
    """Where a thread is, outermost call first."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to another thread's frame
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_stack(frame)] if frame else []
