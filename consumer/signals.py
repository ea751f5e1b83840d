"""Stopping on SIGTERM and SIGINT without ever interrupting a call into Kafka or the model."""

from __future__ import annotations

import math
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from shared.logs import end_process, log_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = structlog.get_logger()

GRACE_S: Final = 9.0
"""From the signal to the end, whatever hangs; `end_process` may take FLUSH_S more.

Ending hard is safe: what is not committed is read again.
"""
END_S: Final = 1.0
"""Of GRACE_S, what the end of the process itself may take."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignal(threading.Event):
    """Set at the first signal; says how much of GRACE_S is left since."""

    def __init__(self) -> None:
        super().__init__()
        self._end_s = math.inf

    def set(self) -> None:
        """Sets it; GRACE_S begins."""
        self._end_s = min(self._end_s, time.monotonic() + GRACE_S)
        super().set()

    @property
    def left_s(self) -> float:
        """Seconds that anything may be waited for; they are over END_S before the process is ended."""
        return min(GRACE_S, self._end_s - time.monotonic()) - END_S


def stop_on_signals(stop: threading.Event, end: Callable[[int], object] = end_process) -> None:
    """Sets `stop` at the first signal; a second one, or GRACE_S without an end, ends the process at once.

    Call it on the main thread before any other is started: the signals are blocked everywhere, so no
    handler can run inside `poll`, where it would destroy the records just fetched, and a thread waits
    for them instead, which works also while the main thread is inside a long call.
    """
    # Measured: a Python handler that raised inside `consume` destroyed 49 of 2,000 records.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def waiter() -> None:
        received = signal.sigwait(_SIGNALS)
        # Before the log line: with a full pipe, or one that nobody reads, a line written first kept the process
        # from stopping (mutant `log_before_act`).
        stop.set()
        _end_after_grace(128 + received, end)
        log_aside(lambda: log.info("stopping", signal=signal.Signals(received).name))
        end(128 + signal.sigwait(_SIGNALS))

    threading.Thread(target=waiter, name="signals", daemon=True).start()


@contextmanager
def ending_within_grace(exit_code: int, end: Callable[[int], object] = end_process) -> Iterator[None]:
    """Ends the process with `exit_code` if the block has not ended within GRACE_S."""
    timer = _end_after_grace(exit_code, end)
    try:
        yield
    finally:
        timer.cancel()


def _end_after_grace(exit_code: int, end: Callable[[int], object]) -> threading.Timer:
    timer = threading.Timer(GRACE_S, end, (exit_code,))
    timer.daemon = True
    timer.start()
    return timer
