"""Reading the files of an untrusted model folder: only regular files, so that no read can block."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader


def listing(folder: Path) -> list[str]:
    """Relative paths of all files below a folder, sorted; a link to a file, as in a download cache, is a file.

    Raises ArtifactError for a pipe, a socket or a device, and for a link to a folder or to nothing.
    """
    names = []

    # By default os.walk passes over a folder that it cannot read.
    def fail(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error) from None

    for parent, folders, files in os.walk(folder, onerror=fail):
        for path in (Path(parent, name) for name in folders):
            # os.walk does not enter it, so its files would be neither listed nor hashed.
            if path.is_symlink():
                raise ArtifactError(f"{path} is a link to a folder; copy the model folder with its files")
        for path in (Path(parent, name) for name in files):
            _refuse_special(path)
            names.append(path.relative_to(folder).as_posix())
    return sorted(names)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Opens a regular file for reading; raises ArtifactError if it is not one or cannot be read."""
    try:
        # A file may have become a pipe since it was listed; a plain open of a pipe waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    with os.fdopen(descriptor, "rb") as file:
        # Of the descriptor: at the path there may be another file by now.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _special(path)
        yield file


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; raises ArtifactError as `opened` does."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(path: Path) -> ArtifactError:
    """The error for a missing file."""
    return ArtifactError(f"{path} is missing; restore the folder from its source or train again")


def _refuse_special(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        raise ArtifactError(f"{path} is a link to nothing; copy the model folder with its files") from None
    if not stat.S_ISREG(mode):
        raise _special(path)


def _special(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is not a regular file but a pipe, a socket, a device or a folder; remove it")


def _unreadable(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"{path} cannot be read: {error.strerror}; correct its rights, or restore the folder")
