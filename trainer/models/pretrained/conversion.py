"""Converts untrusted files in a process of its own: this one never unpickles anything.

The process has none of our environment but paths, so that it knows no password or token.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final, Literal

from shared.errors import InputDataError
from trainer.models.pretrained.convert import REASONS

if TYPE_CHECKING:
    from pathlib import Path

MEMORY_PER_BYTE: Final = 3
"""Memory for a file of weights, in its sizes: as loaded, without shared memory, and as written."""
MIN_MEMORY_BYTES: Final = 1 << 30
"""Memory beyond that, and for a tokenizer."""
TIME_S: Final = 600
"""Seconds of processor time, and of time on the clock, for one file."""

_KEPT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG")


def convert(task: Literal["weights", "tokenizer"], source: Path, target: Path) -> None:
    """Runs a task of `convert.py`; raises InputDataError that says why a file cannot be converted."""
    size = source.stat().st_size if source.is_file() else 0
    limits = (MIN_MEMORY_BYTES + MEMORY_PER_BYTE * size, TIME_S)
    command = [sys.executable, "-m", "trainer.models.pretrained.convert", task, str(source), str(target)]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own module; the paths are arguments, not a shell's
            [*command, *map(str, limits)],
            env={**environment, "HF_HUB_OFFLINE": "1", "HOME": str(target.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refused(source, f"it takes more than {TIME_S} s") from None
    if done.returncode:
        raise _refused(source, _why(done.returncode, done.stdout))


def _why(code: int, printed: str) -> str:
    if code == -signal.SIGXCPU:
        return f"it takes more than {TIME_S} s"
    if code < 0:
        return (
            f"the process that converts it was ended by {signal.Signals(-code).name}, perhaps for want of memory"
        )
    return REASONS.get(printed.strip(), f"the process that converts it failed (exit code {code})")


def _refused(source: Path, why: str) -> InputDataError:
    return InputDataError(
        f"{source} cannot be converted: {why}; save the model again with a current version of transformers "
        "(model.safetensors, tokenizer.json)"
    )
