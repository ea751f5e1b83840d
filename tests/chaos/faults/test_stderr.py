"""The log of a member is copied, or blocked in one of three ways."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.chaos.faults.stderr import DISK_FULL, Relay

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S: Final = 30.0
WRITER: Final = """
import os, sys
sys.stdin.read(1)
try:
    os.write(2, b"a line\\n")
except OSError as error:
    sys.exit(error.errno)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log file."""
    return tmp_path / "member.log"


def start(relay: Relay) -> subprocess.Popen[bytes]:
    """A process that writes a line when its standard input ends; its exit code says what went wrong."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stderr=relay.write_end)
    relay.start()
    return writer


def go_on(writer: subprocess.Popen[bytes]) -> None:
    """Makes the process write."""
    assert writer.stdin
    writer.stdin.close()


def test_lines_are_copied(log: Path) -> None:
    """Given a process under a relay, when it has ended, then the log holds everything that it wrote."""
    relay = Relay(log)
    writer = start(relay)

    go_on(writer)
    assert writer.wait(TIMEOUT_S) == 0
    relay.finish()

    assert log.read_bytes() == b"a line\n"


def test_a_full_pipe_blocks_a_write(log: Path) -> None:
    """Given a full pipe, when a process writes, then it waits, and the log holds what it had written before."""
    relay = Relay(log)
    writer = start(relay)

    relay.fill(writer.pid)
    go_on(writer)
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(0.3)
    writer.kill()
    writer.wait(TIMEOUT_S)
    relay.finish()

    assert log.read_bytes().strip() == b""


def test_a_reader_that_has_gone_breaks_a_write(log: Path) -> None:
    """Given a log without a reader, when a process writes, then it gets an error."""
    relay = Relay(log)
    writer = start(relay)

    relay.leave()
    go_on(writer)

    assert OSError(writer.wait(TIMEOUT_S), "").__class__ is BrokenPipeError
    relay.finish()


def test_a_full_disk_breaks_a_write() -> None:
    """Given the device that is always full, when a process writes, then it gets an error."""
    with pytest.raises(OSError, match="No space left"):
        os.write(os.open(DISK_FULL, os.O_WRONLY), b"a line\n")
