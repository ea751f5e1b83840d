"""Processes whose standard error blocks or fails, as it can when nobody reads a service's log."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSED: Final = "closed"
FULL: Final = "pipe full"
KINDS: Final = (CLOSED, "reader gone", FULL, "disk full")
WAIT_S: Final = 60.0
"""A process that hangs is killed after this, so that a failing test ends."""


@contextmanager
def script(kind: str, text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running Python script with such a standard error; its standard input and output are pipes."""
    reader, writer = os.pipe()
    if kind == "disk full":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    elif kind == FULL:
        fill(writer)
    elif kind == "reader gone":
        os.close(reader)
        reader = os.open(os.devnull, os.O_RDONLY)
    prefix = ["sh", "-c", 'exec "$@" 2>&-', "sh"] if kind == CLOSED else []
    try:
        with subprocess.Popen(
            [*prefix, sys.executable, "-c", text, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=writer,
            text=True,
        ) as process:
            deadline = threading.Timer(WAIT_S, process.kill)
            deadline.start()
            try:
                yield process
            finally:
                deadline.cancel()
                process.kill()
    finally:
        os.close(reader)
        os.close(writer)


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def fill(writer: int) -> int:
    """Fills a pipe to its last byte; returns how many it took."""
    os.set_blocking(writer, False)
    taken = 0
    for size in (4_096, 1):
        try:
            while True:
                taken += os.write(writer, b"." * size)
        except BlockingIOError:
            pass
    os.set_blocking(writer, True)
    return taken
