"""Running the project's commands as processes of their own, as an operator would."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from sentiment_testing.process import TIMEOUT_S, environment

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        env=environment(env),
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
