"""The folder for what can be made or downloaded again."""

from __future__ import annotations

import os
from pathlib import Path

_OURS = "sentiment-stream"


def cache_folder() -> Path | None:
    """The user's cache folder by the XDG convention; None without a home folder.

    A relative XDG_CACHE_HOME is ignored, as its specification requires.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / _OURS
    try:
        return Path.home() / ".cache" / _OURS
    except RuntimeError:
        return None
