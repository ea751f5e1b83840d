"""Standard error behind a bounded queue, so that no thread ever waits for its reader.

A pipe that nobody reads, a full disk and a closed pipe affect the log but not the service: lines that cannot be
written are dropped and counted, and the count is written once writing works again.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE_BYTES: Final = 1 << 20
"""Capacity of the queue: about 3,000 log lines. Text beyond it is dropped and counted."""


def stderr_fd() -> int:
    """Descriptor of standard error, or of /dev/null if the process was started without one.

    Otherwise the first file or socket that is opened gets descriptor 2, and log lines are written into it.
    """
    if sys.stderr is not None:
        return 2
    while (fd := os.open(os.devnull, os.O_RDWR)) < 2:  # noqa: PLR2004 - 0 and 1 may be closed too
        pass
    return fd


def _plain(lines: int) -> str:
    return f"{lines} lines dropped\n"


def start_daemon(target: Callable[[], None], name: str) -> None:
    """Starts a daemon thread with a mask that blocks all signals: one that it received would end the process."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Thread(target=target, name=name, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class StderrQueue(io.TextIOBase):
    """A text stream for one descriptor; any thread may write. `write` neither blocks nor raises.

    One daemon thread writes the queued text, in order. `gap` makes the line that says how many lines were dropped;
    it is written after the queued text, as soon as a write succeeds.
    """

    encoding = "utf-8"  # an attribute that click and rich expect of a text stream
    errors = "backslashreplace"

    def __init__(self, fd: int, *, capacity_bytes: int = QUEUE_BYTES, gap: Callable[[int], str] = _plain) -> None:
        self.gap = gap
        self._fd = fd
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[bytes] = deque()
        """Queued chunks; the first is being written."""
        self._waiting_bytes = 0
        self._dropped = 0
        """Lines that were dropped and not yet reported."""
        self._whole = True
        """Whether the last write succeeded; if not, it may have ended inside a line."""
        self._line_ended = True
        """Whether the last byte written ended a line."""
        self._changed = threading.Condition()
        self.before_drain: Callable[[], object] = lambda: None
        """Is called by `drain` first: writes what waits elsewhere."""
        start_daemon(self._write_all, "stderr")

    def write(self, text: str) -> int:
        """Queues text, or drops all of it if it does not fit."""
        chunk = text.encode(self.encoding, self.errors)
        with self._changed:
            if self._waiting_bytes + len(chunk) > self._capacity_bytes:
                self._dropped += chunk.count(b"\n")
            elif chunk:
                self._waiting.append(chunk)
                self._waiting_bytes += len(chunk)
                self._changed.notify_all()
        return len(text)

    def drain(self, timeout_s: float) -> bool:
        """Waits until all text is written or dropped; returns whether that was within the timeout."""
        self.before_drain()
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def writable(self) -> bool:
        """Always true."""
        return True

    def fileno(self) -> int:
        """The descriptor that the queue writes to."""
        return self._fd

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._fd)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                chunk = self._waiting[0]
            if not self._put(chunk, new_line=not self._whole):
                self._drop(chunk.count(b"\n"))
            elif self._dropped and len(self._waiting) == 1:
                self._report()
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(chunk)
                self._changed.notify_all()

    def _report(self) -> None:
        lines = self._dropped
        if self._put(self.gap(lines).encode(self.encoding, self.errors), new_line=True):
            self._drop(-lines)

    def _drop(self, lines: int) -> None:
        with self._changed:
            self._dropped += lines

    def _put(self, chunk: bytes, *, new_line: bool) -> bool:
        """Writes a chunk, with `new_line` at the start of a line; returns whether its text is written.

        Blocks as long as the descriptor blocks.
        """
        rest = b"\n" + chunk if new_line and not self._line_ended else chunk
        self._whole = False
        try:
            while rest:
                try:
                    written = os.write(self._fd, rest)
                except BlockingIOError:  # another process that shares the descriptor has made it non-blocking
                    poller = select.poll()
                    poller.register(self._fd, select.POLLOUT)
                    poller.poll()
                    continue
                self._line_ended = rest[written - 1 : written] == b"\n"
                rest = rest[written:]
        except OSError:
            # If only the end of the line is missing, the next write adds it, so the line is not lost.
            return rest == b"\n"
        self._whole = True
        return True
