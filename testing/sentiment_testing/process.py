"""The consumer as a process of its own, as an operator would run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sentiment_testing.errors import ConsumerError
from sentiment_testing.kafka.broker import ADDRESS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S: Final = 240.0
POLL_S: Final = 0.05
SCRIPT: Final = "sentiment-consumer"
LOG_TAIL: Final = 20
"""Lines of its log that an error shows; message texts are in none of them."""


class ConsumerProcess:
    """A running `sentiment-consumer run`, or another command, with its log in a file.

    It is used by one thread. Whoever starts it calls `close` at the end.
    """

    def __init__(
        self,
        log: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """`command` is a whole command line instead of `sentiment-consumer run`; `arguments` follow it.

        Variables SENTIMENT_* of this process are not passed on, those of `env` are. Raises ConsumerError if the
        console script is not installed.
        """
        self._log = log
        whole = [*(command or (console_script(), "run")), *arguments]
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(whole, env=environment(env), stderr=stderr)

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log.read_text(encoding="utf-8")

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative number is the signal that ended it."""
        return self._process.poll()

    @property
    def tail(self) -> str:
        """The last lines of the log, for a message."""
        return "\n".join(self.log.splitlines()[-LOG_TAIL:])

    def await_log(self, text: str, count: int = 1, timeout_s: float = TIMEOUT_S) -> None:
        """Returns once the log holds `text` that many times; ConsumerError when it ends or the time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.exit_code  # asked first: what it wrote at its end is in the log then
            if self.log.count(text) >= count:
                return
            if ended is not None:
                raise ConsumerError(f"the consumer ended with exit code {ended}; its last lines:\n{self.tail}")
            if time.monotonic() > deadline:
                raise ConsumerError(
                    f"no {text!r} after {timeout_s:.0f} s; the consumer's last lines:\n{self.tail}"
                )
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Kills it, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def terminate(self, signal_number: int = signal.SIGTERM) -> tuple[int, float]:
        """Asks it to end; returns its exit code and how many seconds it took."""
        began = time.monotonic()
        self._process.send_signal(signal_number)
        return self.wait(), time.monotonic() - began

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Waits until it ends by itself and returns its exit code; ConsumerError when the time is up."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ConsumerError(
                f"the consumer did not end within {timeout_s:.0f} s; its last lines:\n{self.tail}"
            ) from None

    def close(self) -> None:
        """Makes sure that the process has ended."""
        if self._process.poll() is None:
            self.kill()


def console_script() -> str:
    """The path of `sentiment-consumer` in this environment; raises ConsumerError."""
    own = Path(sys.executable).with_name(SCRIPT)
    if own.is_file():
        return str(own)
    if found := shutil.which(SCRIPT):
        return found
    raise ConsumerError(
        f"no {SCRIPT} next to {sys.executable} or on the PATH; pip install 'sentiment-stream[testing]'"
    )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a process: those of this one without settings of the consumer, and `extra`."""
    # With PYTHONPATH, a package `shared` of the project under test would replace the consumer's.
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SENTIMENT_") and name != "PYTHONPATH"
    }
    # A broker that somebody named for the tests may be remote, and its clients use plaintext.
    given = {"SENTIMENT_KAFKA__INSECURE": "true"} if ADDRESS_VARIABLE in os.environ else {}
    return {**clean, **given, **(extra or {})}
