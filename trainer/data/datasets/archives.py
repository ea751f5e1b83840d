"""The files of a published data set: in a folder, in a tar or zip archive as it was published, or one file.

Only files that are wanted are read or unpacked, and no name in an archive decides where something is written.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_UNPACKED_BYTES: Final = 64 << 30
"""Of the wanted files of one archive; the largest published one, a category of Amazon's reviews, has 20 GiB."""
_COPY_BYTES: Final = 1 << 20
_DAMAGED: Final = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError)
"""RuntimeError: an encrypted zip."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file, open while the iteration is at it."""

    name: str
    """Its path within the folder or archive, with slashes."""
    file: BinaryIO
    path: Path | None
    """Where it lies, unless it is in an archive."""


def members(place: Path, wanted: re.Pattern[str]) -> Iterator[Member]:
    """The files whose path ends with what `wanted` matches, in the order of the folder or archive.

    Hidden files and folders, and what macOS adds to archives, are left out. Raises InputDataError.
    """
    if not place.exists():
        raise InputDataError(f"{place} does not exist; give the folder or archive of the published data set")
    try:
        if place.is_dir():
            yield from _of_folder(place, wanted)
        elif is_archive(place):
            yield from (_of_tar if tarfile.is_tarfile(place) else _of_zip)(place, wanted)
        elif _is_wanted(place.name, wanted):
            with place.open("rb") as file:
                yield Member(place.name, file, place)
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputDataError(f"cannot read {place}: {reason}; download it again") from None


@contextmanager
def found_files(place: Path, wanted: Mapping[str, str], cache_dir: Path) -> Iterator[dict[str, Path]]:
    """The path of each part that is there; `wanted` has the name of the file of each part.

    What is in an archive is unpacked into a folder that is removed at the end. A file may have the suffix of a
    compression as well. Raises InputDataError if no part is found, or one twice.
    """
    part_of = {name: part for part, name in wanted.items()}
    ends = "|".join(map(re.escape, part_of))
    pattern = re.compile(rf"(?:.*/)?(?P<name>{ends})(?P<compression>\.(?:gz|bz2|xz|zst|zip))?")
    cache_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache_dir, prefix="unpacked-") as folder:
        found: dict[str, Path] = {}
        names: dict[str, str] = {}
        room = MAX_UNPACKED_BYTES
        for member in members(place, pattern):
            match = pattern.fullmatch(member.name)
            if match is None:  # a match of `_is_wanted` is one of the pattern
                continue
            part = part_of[match["name"]]
            if part in found:
                raise InputDataError(f"{place} holds {names[part]} and {member.name}; give the folder of one")
            names[part] = member.name
            found[part] = member.path or Path(folder) / f"{match['name']}{match['compression'] or ''}"
            if member.path is None:
                room -= _unpack(member.file, found[part], room, place)
        if not found:
            raise InputDataError(f"{place} holds none of the published files: {', '.join(part_of)}")
        yield {part: found[part] for part in wanted if part in found}


def is_archive(place: Path) -> bool:
    """Whether it is a file that holds several files."""
    return place.is_file() and (tarfile.is_tarfile(place) or zipfile.is_zipfile(place))


def _unpack(file: BinaryIO, target: Path, room: int, place: Path) -> int:
    """Writes a file, and returns its size in bytes."""
    with target.open("wb") as copy:
        while copy.tell() <= room and (chunk := file.read(_COPY_BYTES)):
            copy.write(chunk)
        size = copy.tell()
    if size > room:
        raise InputDataError(
            f"{place}: its files have more than {MAX_UNPACKED_BYTES >> 30} GiB; unpack what you need of it"
        )
    return size


def _of_folder(folder: Path, wanted: re.Pattern[str]) -> Iterator[Member]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_wanted(name, wanted) and path.is_file():
            with path.open("rb") as file:
                yield Member(name, file, path)


def _of_tar(place: Path, wanted: re.Pattern[str]) -> Iterator[Member]:
    with tarfile.open(place) as archive:
        for one in archive:
            if one.isfile() and _is_wanted(one.name, wanted) and (file := archive.extractfile(one)) is not None:
                yield Member(one.name, cast("BinaryIO", file), None)


def _of_zip(place: Path, wanted: re.Pattern[str]) -> Iterator[Member]:
    with zipfile.ZipFile(place) as archive:
        for one in archive.infolist():
            if not one.is_dir() and _is_wanted(one.filename, wanted):
                with archive.open(one) as file:
                    yield Member(one.filename, cast("BinaryIO", file), None)


def _is_wanted(name: str, wanted: re.Pattern[str]) -> bool:
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    return wanted.fullmatch(name) is not None and not any(part.startswith((".", "__MACOSX")) for part in parts)
