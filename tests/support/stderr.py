"""Standard errors that take nothing: what may become of whoever reads a service's log."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSED: Final = "closed"
KINDS: Final = (CLOSED, "reader gone", "pipe full", "disk full")


@contextmanager
def unwritable(kind: str) -> Iterator[tuple[list[str], int]]:
    """The start of a command line, and the descriptor that the process is to get as its standard error."""
    reader, writer = os.pipe()
    if kind == "disk full":
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    elif kind == "pipe full":
        fill(writer)
    elif kind == "reader gone":
        os.close(reader)
        reader = os.open(os.devnull, os.O_RDONLY)
    try:
        yield ["sh", "-c", 'exec "$@" 2>&-', "sh"] if kind == CLOSED else [], writer
    finally:
        os.close(reader)
        os.close(writer)


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
