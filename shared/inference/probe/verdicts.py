"""The verdicts of probes, kept between starts in one small file in the user's cache folder.

It is `sentiment-stream/probes.json` under XDG_CACHE_HOME, or under `~/.cache`. It may be deleted at any time.
If it cannot be read or written, or is not valid, the engine is probed at every start.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from pydantic import TypeAdapter, ValidationError

from shared.cache_folder import cache_folder
from shared.inference.probe.probe import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "probes.json"
ENTRIES: Final = 64
"""Maximum verdicts, about 300 bytes each; the oldest are dropped. There is one for each model, precision, library
and processor."""
MAX_BYTES: Final = 1_000_000
"""A larger file was not written by this module."""

_VERDICTS: Final = TypeAdapter(dict[str, Verdict])

log = structlog.get_logger()


def key_of(about: Mapping[str, object]) -> str:
    """A digest of everything that a verdict depends on."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def recall(key: str) -> Verdict | None:
    """The verdict that was kept under this key, if any."""
    return _read().get(key)


def keep(key: str, verdict: Verdict) -> None:
    """Adds a verdict. If two processes do so at once, one verdict may be lost and is probed at the next start."""
    path = _path()
    if path is None:
        return
    verdicts = {other: known for other, known in _read().items() if other != key} | {key: verdict}
    latest = dict(list(verdicts.items())[-ENTRIES:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, _VERDICTS.dump_json(latest))
    except OSError as error:
        log.info("probe_not_remembered", file=str(path), why=type(error).__name__)


def _path() -> Path | None:
    folder = cache_folder()
    return folder / FILE if folder else None


def _read() -> dict[str, Verdict]:
    path = _path()
    if path is None:
        return {}
    with suppress(OSError, ValidationError), path.open("rb") as file:
        return _VERDICTS.validate_json(file.read(MAX_BYTES))
    return {}


def _replace(path: Path, content: bytes) -> None:
    """Replaces the file atomically: a concurrent reader gets either the old or the new content."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
