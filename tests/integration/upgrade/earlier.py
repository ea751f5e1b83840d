"""The earlier version, in an environment of its own, which `make upgrade-setup` makes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sentiment_testing.process import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = "0.2.0"
FOLDER: Final = Path(__file__).parents[3] / ".cache" / "earlier" / VERSION
INSTALLED: Final = FOLDER / ".installed"
TIMEOUT_S: Final = 120.0

_TINY_MODEL: Final = """
import sys
from pathlib import Path
from tests.support.tiny import tiny_model
tiny_model(Path(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Version:
    """An installed version."""

    scripts: Path
    """Folder of its console scripts."""

    def command(self, name: str, *arguments: str) -> Sequence[str]:
        """A command line of its consumer."""
        return [str(self.scripts / "sentiment-consumer"), name, *arguments]

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of its consumer to its end; the caller checks the exit code."""
        command = self.command(name, *arguments)
        return subprocess.run(
            command, env=environment(None), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )


def write_model(folder: Path) -> None:
    """Writes a tiny model with random weights as the earlier version seals it."""
    python = str(FOLDER / ".venv" / "bin" / "python")
    subprocess.run([python, "-c", _TINY_MODEL, str(folder)], cwd=FOLDER, check=True, timeout=TIMEOUT_S)
