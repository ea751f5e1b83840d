"""The dashboard of the demo as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
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

PORT = 8000
READY_S = 60.0
READY_EVENT = '"event": "live"'
STOP_S = 10.0


@contextmanager
def running_page(address: str, model: Path, score_port: int, log: Path) -> Iterator[str]:
    """Runs `sentiment-dashboard` until the block ends; yields the page's address; raises SentimentError."""
    port = free_port(PORT)
    command = [sys.executable, "-m", "dashboard", "--bootstrap-servers", address, "--port", str(port)]
    command += ["--model", str(model), "--score-url", f"http://127.0.0.1:{score_port}", "--log-format", "json"]
    properties = json.dumps({"fetch.wait.max.ms": FETCH_WAIT_MS})
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the demo, which ends it in order
            env={**os.environ, "SENTIMENT_KAFKA__PROPERTIES": properties},
        )
    try:
        _await_ready(process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(wanted: int = 0) -> int:
    """The wanted port of 127.0.0.1 if nobody listens there, else any free one."""
    with socket.socket() as found:
        try:
            found.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        port: int = found.getsockname()[1]
    return port


def _await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while READY_EVENT not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text().splitlines()
            raise SentimentError(f"the page did not start: {lines[-1] if lines else 'no output'}; see {log}")
        time.sleep(0.1)
