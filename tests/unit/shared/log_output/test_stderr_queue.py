"""The queue before standard error: no writer waits for it, and every lost line is counted."""

from __future__ import annotations

import errno
import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.log_output.stderr_queue import StderrQueue
from tests.support.stderr import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WAIT_S = 10.0
GAP = re.compile(r"(\d+) lines dropped")
TAKES_ALL = 1 << 20


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that is closed in the end."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


class Device:
    """Takes the given number of bytes per write, or fails if that is 0; in the end takes all."""

    def __init__(self, takes: Sequence[int]) -> None:
        self._takes = iter(takes)
        self._lock = threading.Lock()
        self.content = b""
        self.opened = threading.Event()

    def write(self, _fd: int, data: bytes) -> int:
        """Replaces os.write."""
        self.opened.wait(WAIT_S)
        with self._lock:
            size = next(self._takes, TAKES_ALL)
            if not size:
                raise OSError(errno.ENOSPC, "no space")
            self.content += data[:size]
            return len(data[:size])


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.text(st.characters(codec="ascii", categories=["L"]), max_size=12), max_size=30),
    takes=st.lists(st.integers(0, 20), max_size=60),
    capacity_bytes=st.integers(20, 200),
)
def test_each_line_is_written_in_order_or_counted(lines: list[str], takes: list[int], capacity_bytes: int) -> None:
    """Given any device, when lines are written, then each is there in order and whole, or counted as dropped.

    However little the device takes at once, wherever it fails, and whatever does not fit the queue.
    """
    device = Device(takes)
    given = [f"<{number}:{line}>" for number, line in enumerate(lines)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.log_output.stderr_queue.os.write", device.write)
        queue = StderrQueue(2, capacity_bytes=capacity_bytes)
        for line in given:
            queue.write(f"{line}\n")
        device.opened.set()
        assert queue.drain(WAIT_S)
        for _ in range(len(takes) + 1):  # until the device stops failing
            queue.write("<end>\n")
            assert queue.drain(WAIT_S)

    written = device.content.decode().splitlines()
    whole = [line for line in written if line in {*given, "<end>"}]
    dropped = sum(int(gap[1]) for line in written if (gap := GAP.fullmatch(line)))
    torn = [line for line in written if line not in whole and not GAP.fullmatch(line)]
    assert [line for line in whole if line != "<end>"] == [line for line in given if line in whole]
    assert len(whole) + dropped == len(given) + len(takes) + 1
    assert all(any(line and one.startswith(line) for one in [*given, "<end>", *_gaps()]) for line in torn)


def _gaps() -> list[str]:
    return [f"{number} lines dropped" for number in range(100)]


def test_a_pipe_that_nobody_reads_holds_no_writer() -> None:
    """Given a full pipe, when more is written than the queue takes, then the excess is dropped and counted."""
    with pipe() as (reader, writer):
        filled = fill(writer)
        queue = StderrQueue(writer, capacity_bytes=10_000)
        for number in range(5_000):
            queue.write(f"line {number}\n")
        assert not queue.drain(0.01)

        content = b""
        while not content.endswith(b"dropped\n"):
            content += os.read(reader, TAKES_ALL)

    *lines, last = content[filled:].decode().splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert last == f"{5_000 - len(lines)} lines dropped"


def test_a_disk_with_room_again_is_written_to_again() -> None:
    """Given a full disk, when there is room again, then the next line and the number of lost lines are written."""
    full = os.open("/dev/full", os.O_WRONLY)
    with pipe() as (reader, writer):
        queue = StderrQueue(full)
        queue.write("lost\nlost\n")
        assert queue.drain(WAIT_S)
        os.dup2(writer, full)
        queue.write("there\n")
        assert queue.drain(WAIT_S)

        assert os.read(reader, TAKES_ALL) == b"there\n2 lines dropped\n"
    os.close(full)


def test_a_descriptor_that_others_made_non_blocking_loses_nothing() -> None:
    """Given a full non-blocking pipe, when it is read again, then everything in the queue is written."""
    with pipe() as (reader, writer):
        filled = fill(writer)
        os.set_blocking(writer, False)
        queue = StderrQueue(writer)
        queue.write("there\n")
        assert not queue.drain(0.01)
        content = b""
        while len(content) < filled + len("there\n"):
            content += os.read(reader, TAKES_ALL)

        assert content[filled:] == b"there\n"
        assert queue.drain(WAIT_S)


def test_it_is_a_text_stream_of_its_descriptor() -> None:
    """Given a queue, when its stream properties are read, then the answers are those of the descriptor."""
    with pipe() as (_reader, writer):
        queue = StderrQueue(writer)

        assert queue.writable()
        assert queue.fileno() == writer
        assert not queue.isatty()
        assert queue.write("\ud800") == 1
        assert queue.drain(WAIT_S)
