"""Java, and the jars of Apache Kafka by Maven."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from sentiment_testing.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

FETCH_S: Final = 240.0
POM: Final = Path(__file__).with_name("pom.xml")
# Read once: tests may give the processes that they start another cache, and Maven would be asked again (3 s).
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sentiment-testing"


def find_java() -> str:
    """Returns the path of Java; raises UnavailableError."""
    home = os.environ.get("JAVA_HOME")
    if java := shutil.which("java", path=f"{home}/bin" if home else None):
        return java
    raise UnavailableError("no java on the PATH or in JAVA_HOME; install Java 17 or later")


def find_class_path() -> str:
    """Asks Maven once per version of the pom for the jars; afterwards reads the answer from the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # The workers of pytest, and the nodes of a cluster, ask at the same time.
    with FileLock(CACHE / "fetching.lock"):
        return _class_path()


def _class_path() -> str:
    cached = CACHE / f"{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}.classpath"
    if cached.is_file():
        class_path = cached.read_text()
        if all(Path(jar).is_file() for jar in class_path.split(os.pathsep)):
            return class_path
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError("no mvn on the PATH, and the jars of Kafka are not cached; install Maven")
    fresh = cached.with_suffix(f".{os.getpid()}")
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={fresh}"]
    command = [maven, "-q", "-B", "-f", str(POM), *goal]
    try:
        run_step(command, timeout_s=FETCH_S, doing="Maven could not fetch the jars of Kafka")
        return fresh.replace(cached).read_text()
    finally:
        fresh.unlink(missing_ok=True)


def run_step(command: Sequence[str], *, timeout_s: float, doing: str) -> None:
    """Runs a step of the preparation; if it fails, this kind of Kafka is not available."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{doing}: no end after {timeout_s:.0f} s") from None
    if done.returncode != 0:
        said = " | ".join(line for line in done.stdout.splitlines() if line.strip())
        raise UnavailableError(f"{doing}: {said[:600] or f'exit code {done.returncode}'}")


def java_options(class_path: str) -> list[str]:
    """Options of every Java process here: its jars, and no log below a warning."""
    return ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path]
