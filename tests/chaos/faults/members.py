"""Consumers of a chaos run as processes, each restarted whenever it ends, as a supervisor would.

It obeys what the runbook says about exit codes: after 75 and similar codes a process is restarted at once; after
76 it stays down until its operator has acted, see tests/chaos/faults/operators.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.chaos.faults.stderr import DISK_FULL, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RESTART_S: Final = 0.1
STOP_S: Final = 30.0
POLL_S: Final = 0.05

STATE_REFUSED: Final = 76
"""The exit code after which an operator has to act before a restart."""
ERROR_START: Final = b"error: "


@dataclass(frozen=True, slots=True)
class Exit:
    """How one life of a member ended."""

    member: str
    at_s: float
    """Seconds since the start of the run."""
    code: int
    """Exit code; the negative signal number for a signal."""
    asked: bool
    """Whether it was asked to stop."""
    took_s: float | None = None
    """Seconds from the request to stop to the end; None if the process could not react at that time."""


class Member:
    """One replica slot: a process and its successors."""

    def __init__(
        self,
        name: str,
        folder: Path,
        env: Mapping[str, str],
        *,
        command: tuple[str, ...] = ("-m", "tests.chaos.worker"),
        ended: Callable[[Exit], None],
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.log.touch()
        self._life_from = 0
        """Where in the log the current life begins."""
        self.env = dict(env)
        self._command = command
        self._next: dict[str, str] = {}
        self._ended = ended
        self._clock = clock
        self._wanted = True
        self._asked = False
        self._asked_at: float | None = None
        self._paused = False
        self._open = threading.Event()
        """Whether the next life may begin."""
        self._open.set()
        self._lock = threading.RLock()
        """Held while a life starts, so that no order reaches the process before it instead."""
        self._relay: Relay | None = None
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, name=name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process of the current life."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether a process is running."""
        return self._process.poll() is None

    def kill(self, **next_life: str) -> None:
        """SIGKILL; `next_life` is added to the environment of the next life only."""
        with self._lock:
            self._next = next_life
            self._signal(signal.SIGKILL)

    def terminate(self, **next_life: str) -> None:
        """SIGTERM; the member is restarted, with `next_life` in the environment of that life only."""
        with self._lock:
            self._next = next_life or self._next
            if not self._asked:
                self._asked, self._asked_at = True, None if self._paused else self._clock()
            self._signal(signal.SIGTERM)

    def stop_by(self, limit_s: float) -> float | None:
        """SIGTERM, and SIGKILL after `limit_s`; returns how long it took, None if it had to be killed."""
        with self._lock:
            life, began = self._process, self._clock()
            self.terminate()
        try:
            life.wait(limit_s)
        except subprocess.TimeoutExpired:
            life.kill()
            life.wait()
            return None
        return self._clock() - began

    def pause(self) -> None:
        """SIGSTOP."""
        self._paused = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self._paused = False

    def hold(self) -> None:
        """Prevents the start of the next life; one that has started by then is the present life."""
        with self._lock:
            self._open.clear()

    def release(self) -> None:
        """Allows the start of the next life."""
        self._open.set()

    def fill_stderr(self) -> None:
        """Stops reading this life's log, so that its pipe is soon full."""
        assert self._relay
        self._relay.fill(self.pid)

    def close_stderr(self) -> None:
        """Closes the reader's end of this life's log."""
        assert self._relay
        self._relay.leave()

    def last_error(self) -> str:
        """The last line, in which a life said why it ended; empty if there was none."""
        lines = [line for line in self.log.read_bytes().splitlines() if line.startswith(ERROR_START)]
        return lines[-1].decode(errors="replace") if lines else ""

    def retire(self) -> None:
        """SIGTERM without a restart; returns when the process is gone."""
        self._wanted = False
        self._open.set()
        self.terminate()
        self._thread.join(STOP_S)
        if self.alive:
            self.abandon()

    def abandon(self) -> None:
        """SIGKILL without a restart."""
        self._wanted = False
        self._open.set()
        with self._lock:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
        self._thread.join(STOP_S)

    def await_ready(self, timeout_s: float) -> bool:
        """Waits until the current life owns partitions; returns whether it does."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if b"partitions_assigned" in self.log.read_bytes()[self._life_from :]:
                return True
            time.sleep(POLL_S)
        return False

    def _signal(self, number: int) -> None:
        if self.alive:
            self._process.send_signal(number)

    def _start(self) -> subprocess.Popen[bytes]:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("SENTIMENT_", "CHAOS_"))
        }
        with self._lock:
            env, self._next = {**clean, **self.env, **self._next}, {}
        self._asked, self._asked_at, self._paused = False, None, False
        command = [sys.executable, *self._command]
        if env.pop("CHAOS_DISK_FULL", ""):
            self._relay = None
            with open(DISK_FULL, "wb") as output:  # noqa: PTH123 - a device
                return subprocess.Popen(command, env=env, stderr=output, stdout=output)
        self._life_from = self.log.stat().st_size
        self._relay = relay = Relay(self.log)
        process = subprocess.Popen(command, env=env, stderr=relay.write_end, stdout=relay.write_end)
        relay.start()
        return process

    def _begin_next(self) -> bool:
        """Starts the next life as soon as it may begin; False where nobody is to take the place."""
        while True:
            self._open.wait()
            with self._lock:
                if not self._wanted:
                    return False
                if self._open.is_set():
                    self._process = self._start()
                    return True

    def _supervise(self) -> None:
        while True:
            code = self._process.wait()
            took_s = None if self._asked_at is None or self._paused else self._clock() - self._asked_at
            if self._relay:
                self._relay.finish()
            if code == STATE_REFUSED:
                self.hold()
            self._ended(Exit(self.name, self._clock(), code, asked=self._asked, took_s=took_s))
            time.sleep(RESTART_S)
            if not self._begin_next():
                return
