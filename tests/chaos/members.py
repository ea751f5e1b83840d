"""Consumers of a chaos run as processes, each started again whenever it ends, as a supervisor would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RESTART_S: Final = 0.1
STOP_S: Final = 30.0
POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Exit:
    """How one life of a member ended."""

    member: str
    at_s: float
    """Seconds since the start of the run."""
    code: int
    """Exit code; minus the signal's number for a signal."""
    asked: bool
    """Whether it was stopped in order."""


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
        self.env = dict(env)
        self._command = command
        self._next: dict[str, str] = {}
        self._ended = ended
        self._clock = clock
        self._wanted = True
        self._asked = False
        self._lock = threading.Lock()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, name=name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process of the present life."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether a process is there."""
        return self._process.poll() is None

    def kill(self, **next_life: str) -> None:
        """SIGKILL; `next_life` is added to the environment of the next life only."""
        with self._lock:
            self._next = next_life
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM; it is started again."""
        self._asked = True
        self._signal(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def retire(self) -> None:
        """SIGTERM, and nobody takes its place; returns when it is gone."""
        self._wanted = False
        self.terminate()
        self._thread.join(STOP_S)
        if self.alive:
            self.abandon()

    def abandon(self) -> None:
        """SIGKILL, and nobody takes its place."""
        self._wanted = False
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        self._thread.join(STOP_S)

    def await_ready(self, timeout_s: float) -> bool:
        """Waits until the present life owns partitions; tells whether it does."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if b"partitions_assigned" in self.log.read_bytes():
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
        self._asked = False
        with self.log.open("ab") as output:
            return subprocess.Popen([sys.executable, *self._command], env=env, stderr=output, stdout=output)

    def _supervise(self) -> None:
        while True:
            code = self._process.wait()
            self._ended(Exit(self.name, self._clock(), code, asked=self._asked))
            if not self._wanted:
                return
            time.sleep(RESTART_S)
            self._process = self._start()
