"""Calls that never return: one that is known to do so is left behind, for any other the process ends.

Some calls into librdkafka have no timeout, a synchronous commit among them, or one that it does not keep. A
member whose thread is inside such a call still sends heartbeats from librdkafka's own thread, so its
partitions stay with it and nobody reads them. The same holds for a device that no longer answers: the loop goes
on polling, and nothing is scored.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self, TypeVar

import structlog

from shared.errors import RecoveriesExhausted, ScorerError
from shared.inference.activity import Work
from shared.logs import end_process, log_aside, say_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = structlog.get_logger()

T = TypeVar("T")

LOOKS: Final = 20
"""Looks within the timeout: a stall is noticed a twentieth of it late at most."""
REPORT_S: Final = 1.0
"""How long the end of a stalled process waits for the report to be made."""


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


class StallWatchdog:
    """Watches the thread that enters it, and the work of others; ends the process when either stalls.

    Exit code 75 when `heartbeat` is overdue, 71 when a piece of `work` is. Ending hard is safe: what is not
    committed is read again.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        work: Callable[[], Iterable[Work]] = tuple,
        end: Callable[[int], object] = end_process,
    ) -> None:
        """`work` is asked from the watchdog's thread for what has begun and not ended."""
        self._timeout_s = timeout_s
        self._work = work
        self._end = end
        self._heartbeat_s = time.monotonic()
        self._watched = threading.current_thread()
        self._is_watching = False
        self._left = threading.Event()

    @property
    def is_stalled(self) -> bool:
        """Whether anything that is watched is overdue now, which ends the process at the next look; any thread."""
        return self._is_watching and self.stalled(time.monotonic()) is not None

    def heartbeat(self) -> None:
        """Says that the loop has come round; any thread."""
        self._heartbeat_s = time.monotonic()

    def __enter__(self) -> Self:
        """Begins to watch the calling thread."""
        self._watched = threading.current_thread()
        self.heartbeat()
        self._is_watching = True
        threading.Thread(target=self._watch, name="stall-watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the watch."""
        self._is_watching = False
        self._left.set()

    def stalled(self, now_s: float) -> tuple[Work, int] | None:
        """What has taken longer than the timeout by the monotonic clock's `now_s`, and the exit code for it."""
        loop = Work("loop", self._heartbeat_s, (self._watched,))
        found = [(loop, RecoveriesExhausted.exit_code)]
        found += [(one, ScorerError.exit_code) for one in self._work()]
        return next((one for one in found if now_s - one[0].since_s > self._timeout_s), None)

    def _watch(self) -> None:
        while not self._left.wait(self._timeout_s / LOOKS):
            if stall := self.stalled(time.monotonic()):
                work, exit_code = stall
                # The report may block or raise: a log call may be what holds the loop.
                try:
                    log_aside(lambda: _report(work), REPORT_S)  # noqa: B023 - the loop ends here
                finally:
                    self._end(exit_code)
                return


def _report(work: Work) -> None:
    seconds = round(time.monotonic() - work.since_s, 1)
    where = {thread.name: _stack(thread) for thread in work.threads}
    log.critical("stalled", what=work.name, seconds=seconds, where=where, **work.facts)
    facts = "".join(f", {name} {value}" for name, value in work.facts.items())
    say_error(
        f"no progress for {seconds:g} s in: {work.name}{facts} (thread {', '.join(where)}); start again: what is "
        "not committed is read again. If this machine is just that slow, raise limits.stall_timeout_s"
    )


def _stack(thread: threading.Thread) -> list[str]:
    """Where a thread is, outermost call first."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the documented way to its frame
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_stack(frame)] if frame else []
