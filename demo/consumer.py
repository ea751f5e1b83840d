"""The real consumer as a process of its own, from start to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from demo.broker import FETCH_WAIT_MS
from shared.errors import SentimentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

READY_S = 120.0
READY_EVENT = '"event": "partitions_assigned"'
STOP_S = 15.0


@contextmanager
def running_consumer(address: str, model: Path, log: Path, console: Console, *, http_port: int) -> Iterator[None]:
    """Runs `sentiment-consumer run` until the block ends; raises SentimentError if it fails."""
    command = [sys.executable, "-m", "consumer", "run", "--bootstrap-servers", address, "--model", str(model)]
    command += ["--delivery", "at-least-once"]  # the embedded broker takes transactions but does not apply them
    command += ["--http-port", str(http_port)]  # for the page's field that scores a text
    properties = json.dumps({"fetch.wait.max.ms": FETCH_WAIT_MS})
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stderr=stderr,
            start_new_session=True,  # else Ctrl-C reaches it too, and SIGTERM would be its second signal
            env={**os.environ, "SENTIMENT_KAFKA__PROPERTIES": properties},
        )
    try:
        _await_ready(process, log)
        console.print(f"   model loaded and partitions assigned; its log: {log}")
        yield
        if process.poll() is not None:
            raise SentimentError(_ended(process, log))
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_S) != 0:
            raise SentimentError(_ended(process, log))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while READY_EVENT not in log.read_text():
        if process.poll() is not None:
            raise SentimentError(_ended(process, log))
        if time.monotonic() > deadline:
            raise SentimentError(f"the consumer was not ready after {READY_S:.0f} s; see {log}")
        time.sleep(0.1)


def _ended(process: subprocess.Popen[bytes], log: Path) -> str:
    lines = log.read_text().splitlines()
    return f"the consumer ended with exit code {process.returncode}: {lines[-1] if lines else 'no output'}"
