"""The container engine of the tests: Docker where it answers, else podman behind Docker's API."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import docker

from sentiment_testing.kafka.containers import why_no_docker
from tests.docker.podman import running_podman

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
BUILT_COMPOSE: Final = ROOT / ".cache/compose/docker-compose"
BUILD_S: Final = 1_800.0
"""Of all images, where nothing is cached."""
TAIL_LINES: Final = 100
"""Of what a failed command printed: a traceback of pytest with what the test has captured."""


class NoEngineError(Exception):
    """Neither Docker nor podman can be used here."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers Docker's API."""

    description: str
    environ: Mapping[str, str]
    """Variables with which clients find it."""
    compose: tuple[str, ...]
    """The command line of Docker Compose."""
    is_podman: bool

    def client(self) -> docker.DockerClient:
        """A client of its API; the caller closes it."""
        return docker.from_env(environment={**os.environ, **self.environ}, timeout=120)

    def run(self, *command: str, timeout_s: float = BUILD_S, **more: str) -> str:
        """Runs a command against the engine and returns its output; raises AssertionError with its last lines."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **self.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
            raise AssertionError(f"{' '.join(command)} ended with exit code {done.returncode}:\n{tail}")
        return done.stdout


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Yields Docker, or podman until the block ends; raises NoEngineError."""
    compose = _compose()
    if compose is None:
        raise NoEngineError("no Docker Compose: neither `docker compose` nor .cache/compose (make docker-setup)")
    if (why := why_no_docker()) is None:
        yield Engine("Docker", {}, compose, is_podman=False)
        return
    missing = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        lacking = f"missing: {', '.join(missing)}" if missing else "the user is not root"
        raise NoEngineError(f"Docker: {why}; podman: {lacking}")
    with running_podman() as environ:
        yield Engine("podman with stand-ins for published images", environ, compose, is_podman=True)


def _compose() -> tuple[str, ...] | None:
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ("docker", "compose")
    return (str(BUILT_COMPOSE),) if BUILT_COMPOSE.is_file() else None
