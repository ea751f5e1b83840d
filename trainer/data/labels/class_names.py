"""The names that a Parquet file of the Hugging Face `datasets` library has for the numbers of its labels.

The library writes its features as JSON under the key `huggingface` of the schema's metadata (`arrow_writer.py`):
`info.features.NAME` is `{"names": [...], "_type": "ClassLabel"}`, or has that as `feature` for a list of labels.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = b"PAR1"


def class_names(data: Path, column: str) -> tuple[str, ...] | None:
    """The names by number, from a Parquet file or the first one of a folder; None if there are none."""
    file = next(iter(sorted(data.rglob("*.parquet"))), None) if data.is_dir() else data
    if file is None or not _is_parquet(file):
        return None
    try:
        metadata = pq.read_schema(file).metadata or {}
    except pa.ArrowException:
        return None  # `read_columns` reads the same file, and says what is wrong with it
    return _names(metadata.get(b"huggingface"), column)


def _is_parquet(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False  # `read_columns` says why


def _names(description: bytes | None, column: str) -> tuple[str, ...] | None:
    try:
        feature: Any = json.loads(description or b"null")
        for key in ("info", "features", column):
            feature = (feature or {}).get(key)
        while isinstance(feature, dict) and "feature" in feature:
            feature = feature["feature"]
        names = feature["names"] if feature and feature.get("_type") == "ClassLabel" else None
    except (ValueError, AttributeError, KeyError):
        return None
    return tuple(map(str, names)) if names else None
