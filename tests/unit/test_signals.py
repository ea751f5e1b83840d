"""Stopping on signals, shown in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import IO

import pytest

from consumer.signals import ending_within_grace

PRELUDE = """
import sys, threading, structlog
from consumer import signals
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
stop = threading.Event()
signals.GRACE_S = float(sys.argv[1])
signals.stop_on_signals(stop)
print("ready", flush=True)
assert stop.wait(30)
print("stopped", flush=True)
"""
ORDERLY = PRELUDE + "print('done', flush=True)"
HANGING = PRELUDE + "sys.stdin.read()"  # a call that no Python code interrupts


def start(script: str, grace_s: float) -> subprocess.Popen[str]:
    """Starts a script and returns when it awaits signals."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(grace_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert line_of(process) == "ready"
    return process


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    out: IO[str] | None = process.stdout
    assert out is not None
    return out.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_only_asks_to_stop(number: signal.Signals) -> None:
    """Given a running process, when signalled once, then it stops by itself, in order and with code 0."""
    with start(ORDERLY, 30) as process:
        process.send_signal(number)

        assert (line_of(process), line_of(process)) == ("stopped", "done")
        assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    """Given a process that hangs while it stops, when signalled again, then it ends with the signal's code."""
    with start(HANGING, 30) as process:
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopped"
        process.send_signal(number)

        assert process.wait(10) == 128 + number


def test_a_process_that_hangs_ends_after_the_grace() -> None:
    """Given a process that hangs while it stops, when the grace is over, then it ends with the signal's code."""
    with start(HANGING, 0.1) as process:
        process.send_signal(signal.SIGTERM)

        assert line_of(process) == "stopped"
        assert process.wait(10) == 128 + signal.SIGTERM


def test_a_block_that_hangs_is_ended() -> None:
    """Given a block that outlasts the grace, when it does, then the process is ended with the code given."""
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.signals.GRACE_S", 0.01)
        with ending_within_grace(75, end):
            assert ended.wait(10)

    assert codes == [75]


def test_a_block_that_ends_in_time_goes_on() -> None:
    """Given a block that ends within the grace, even by an error, when it is over, then no timer is left."""
    before = threading.active_count()

    with pytest.raises(KeyError), ending_within_grace(75, lambda _code: None):
        raise KeyError

    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
