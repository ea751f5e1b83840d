"""Running the project's commands as processes of their own, as an operator would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from tests.support.kafka import ADDRESS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT_S: Final = 240.0
POLL_S: Final = 0.05


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def run_command(
    module: str, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs `python -m module ...` to its end; the caller checks the exit code."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=_environment(env),
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


class Consumer:
    """A running `sentiment-consumer run`, or another module's command, with its log in a file."""

    def __init__(
        self,
        log: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = ("consumer", "run"),
    ) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, *arguments], env=_environment(env), stderr=stderr
            )

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log.read_text(encoding="utf-8")

    def await_log(self, text: str, count: int = 1) -> None:
        """Returns once the log holds `text` that many times; fails when the process ends or the time is up."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.log.count(text) < count:
            assert self._process.poll() is None, f"ended with {self._process.returncode}: {self.log[-2000:]}"
            assert time.monotonic() < deadline, f"no {text!r} in: {self.log[-2000:]}"
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Kills it, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def terminate(self, signal_number: int = signal.SIGTERM) -> tuple[int, float]:
        """Asks it to end; returns its exit code and how many seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal_number)
        return self._process.wait(TIMEOUT_S), time.monotonic() - began

    def wait(self) -> int:
        """Waits until it ends by itself; returns its exit code."""
        return self._process.wait(TIMEOUT_S)

    def close(self) -> None:
        """Makes sure that the process has ended."""
        if self._process.poll() is None:
            self.kill()


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SENTIMENT_")}
    # A broker that somebody named for the tests may be remote, and its clients use plaintext.
    given = {"SENTIMENT_KAFKA__INSECURE": "true"} if ADDRESS_VARIABLE in os.environ else {}
    return {**clean, **given, **(extra or {})}
