"""The files of the page, read once at the start: no path of a request ever reaches the file system."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class File(NamedTuple):
    """A file with what a browser needs to know of it."""

    content: bytes
    media_type: str
    tag: str


def page_files() -> dict[str, File]:
    """All files by the path of their request."""
    found: dict[str, File] = {}
    _collect(files("dashboard") / "static", "", found)
    found["/"] = found.pop("/index.html")
    return found


def _collect(folder: Traversable, path: str, found: dict[str, File]) -> None:
    for one in folder.iterdir():
        name = f"{path}/{one.name}"
        if one.is_dir():
            _collect(one, name, found)
        elif kind := TYPES.get(one.name.rpartition(".")[-1]):
            content = one.read_bytes()
            found[name] = File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
