"""`python -m tests.docker`: whether containers can be built and run here; exit code 1 and the reason if not."""

from __future__ import annotations

import subprocess
import sys

from tests.docker import podman
from tests.docker.engine import NoEngineError, running_engine


def main() -> int:
    """Runs a container that does nothing."""
    try:
        with running_engine() as engine:
            if engine.is_podman:
                podman.build_base(engine.environ)
                podman.run_nothing(engine.environ)
            sys.stdout.write(f"{engine.description}\n")
    except (NoEngineError, AssertionError, subprocess.CalledProcessError) as reason:
        sys.stderr.write(f"no containers can be run here: {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
