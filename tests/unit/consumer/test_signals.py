"""Stopping on signals, tested in a process of its own, in any state of its log."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from consumer.signals import ending_within_grace
from tests.support.stderr import FULL, KINDS, line_of, script

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

BLOCKED, RAISING = "blocked", "raising"

PRELUDE = """
import sys, threading
from types import SimpleNamespace
from consumer import signals
from shared.logs import configure_logs
configure_logs()
def blocked(*_, **__):
    threading.Event().wait()
def raising(*_, **__):
    raise OSError
if sys.argv[2] in {"blocked", "raising"}:
    signals.log = SimpleNamespace(info=globals()[sys.argv[2]])
stop = threading.Event()
signals.GRACE_S = float(sys.argv[1])
signals.stop_on_signals(stop)
print("ready", flush=True)
assert stop.wait(30)
print("stopped", flush=True)
"""
ORDERLY = PRELUDE + "print('done', flush=True)"
HANGING = PRELUDE + "sys.stdin.read()"  # a call that no Python code interrupts


LOGS = [*KINDS, BLOCKED, RAISING]
"""The possible states of the log: standard errors that block or fail, and calls that do not return or raise."""


@contextmanager
def start(text: str, grace_s: float, log: str) -> Iterator[subprocess.Popen[str]]:
    """Starts a script that awaits signals."""
    with script(log, text, str(grace_s), log) as process:
        assert line_of(process) == "ready"
        yield process


@pytest.mark.parametrize(
    ("number", "log"), [(signal.SIGINT, "disk full"), *((signal.SIGTERM, log) for log in LOGS)]
)
def test_a_first_signal_only_asks_to_stop(number: signal.Signals, log: str) -> None:
    """Given a running process, when signalled once, then it stops by itself, cleanly and with code 0."""
    with start(ORDERLY, 30, log) as process:
        process.send_signal(number)

        assert (line_of(process), line_of(process)) == ("stopped", "done")
        assert process.wait(30) == 0


@pytest.mark.parametrize(("number", "log"), [(signal.SIGTERM, FULL), (signal.SIGINT, BLOCKED)])
def test_a_second_signal_ends_at_once(number: signal.Signals, log: str) -> None:
    """Given a process that hangs while it stops, when signalled again, then it ends with the signal's code."""
    with start(HANGING, 30, log) as process:
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopped"
        process.send_signal(number)

        assert process.wait(10) == 128 + number


@pytest.mark.parametrize("log", [FULL, BLOCKED, RAISING])
def test_a_process_that_hangs_ends_after_the_grace(log: str) -> None:
    """Given a process that hangs while it stops, when the grace is over, then it ends with the signal's code."""
    with start(HANGING, 0.1, log) as process:
        process.send_signal(signal.SIGTERM)

        assert line_of(process) == "stopped"
        assert process.wait(10) == 128 + signal.SIGTERM


def test_a_block_that_hangs_is_ended() -> None:
    """Given a block that takes longer than the grace, when run, then the process ends with the given code."""
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
    """Given a block that ends within the grace, even by an error, when it has ended, then no timer is left."""
    before = threading.active_count()

    with pytest.raises(KeyError), ending_within_grace(75, lambda _code: None):
        raise KeyError

    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
