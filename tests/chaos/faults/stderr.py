"""The destination of a member's standard error: a pipe and a log, until the reader stalls or leaves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DISK_FULL: Final = "/dev/full"
"""Every write to it fails, as on a full disk."""
STDERR: Final = 2
SMALL_BYTES: Final = 4_096
"""The smallest size that Linux gives a pipe: some ten log lines."""
PIECE_BYTES: Final = 65_536
END_S: Final = 5.0


class Relay:
    """Copies one life's standard error into a log file, in a thread of its own."""

    def __init__(self, log: Path) -> None:
        self._read_end, self.write_end = os.pipe()
        self._wake_read, self._wake = os.pipe()
        self._log = log
        self._stopped = threading.Event()
        self._gone = False
        self._thread = threading.Thread(target=self._copy, name="relay", daemon=True)

    def start(self) -> None:
        """Begins to copy; call it once the process has its end of the pipe, since this closes ours."""
        os.close(self.write_end)
        self._thread.start()

    def fill(self, pid: int) -> None:
        """Stops reading and fills the pipe of the process, so that its next write waits."""
        self._stop()
        with contextlib.suppress(OSError):  # the pipe holds more than the new size, so its size does not change
            fcntl.fcntl(self._read_end, fcntl.F_SETPIPE_SZ, SMALL_BYTES)
        other_end = os.open(f"/proc/{pid}/fd/{STDERR}", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(other_end, b"\n")
        os.close(other_end)

    def leave(self) -> None:
        """Closes the reader's end: every further write fails."""
        self._gone = True
        self._stop()
        os.close(self._read_end)

    def finish(self) -> None:
        """Copies what a process that has ended left in the pipe."""
        if not self._gone:
            self._stop()
            os.set_blocking(self._read_end, False)
            with self._log.open("ab") as output, contextlib.suppress(BlockingIOError):
                while piece := os.read(self._read_end, PIECE_BYTES):
                    output.write(piece)
            os.close(self._read_end)
        os.close(self._wake_read)
        os.close(self._wake)

    def _stop(self) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            os.write(self._wake, b"x")
            self._thread.join(END_S)

    def _copy(self) -> None:
        with self._log.open("ab", buffering=0) as output:
            while not self._stopped.is_set():
                ready, _, _ = select.select([self._read_end, self._wake_read], [], [])
                if self._wake_read in ready:
                    return
                piece = os.read(self._read_end, PIECE_BYTES)
                if not piece:
                    return
                output.write(piece)
