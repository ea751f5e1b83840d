"""Which rows were in which part of a training: kept in the model folder, so that nothing splits the data again.

`parts.json` lists the ids of the rows, and has a SHA-256 over texts and labels of each part. By it, data that were
edited since are refused: they could pass off rows as held out that the model was trained on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import ArtifactError, InputDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.data.splits import Splits

FILE: Final = "parts.json"
# Calibration after validation: the temperature is fitted on later rows, nearer to those that will be scored.
PARTS: Final = ("train", "validation", "calibration", "test")
"""In order of time."""
_FINGERPRINTS: Final = "fingerprints"
_NAMES: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("calibration", "calib", "cal"), "calibration"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Values of a split column, in lower case, and the part that they name."""
_NAMED: Final = 3
"""Maximum rows that an error lists."""


def parts_of(values: Sequence[Any], where: str) -> list[str | None]:
    """The part of each row, from a split column; None for a row without a value.

    Raises InputDataError for any other value. It names rows: the values of a wrong column may be texts.
    """
    words = ["" if value is None else str(value).strip().lower() for value in values]
    if wrong := [row for row, word in enumerate(words, 1) if word and word not in _NAMES]:
        raise InputDataError(
            f"{where}: the split column of {len(wrong):,} rows (such as {', '.join(map(str, wrong[:_NAMED]))}) "
            "names no part; use train, validation, calibration or test, or choose another with --split-column"
        )
    return [_NAMES[word] if word else None for word in words]


def write_parts(folder: Path, splits: Splits) -> None:
    """Writes the ids of all parts; call before the folder is sealed."""
    parts = {name: getattr(splits, name) for name in PARTS}
    content = {
        **{name: list(part.ids) for name, part in parts.items()},
        _FINGERPRINTS: {name: part.fingerprint() for name, part in parts.items()},
    }
    # ASCII: an id from JSON may hold a lone surrogate, which UTF-8 refuses.
    (folder / FILE).write_text(json.dumps(content) + "\n", encoding="ascii")


def read_parts(artifact: Artifact) -> dict[str, tuple[str, ...]]:
    """The ids of the rows of each part; raises ArtifactError if the folder does not have them."""
    return {name: tuple(_read(artifact)[name]) for name in PARTS}


def rows_of_parts(
    artifact: Artifact, data: Examples, given: Mapping[str, Examples], names: Sequence[str] = PARTS
) -> dict[str, Examples]:
    """The rows of these parts, out of the data that the model was trained on, with the model's order of labels.

    `given` has the parts that came from files of their own. Raises InputDataError if the data lack a row, or have
    another text or label for one.
    """
    content = _read(artifact)
    return {
        name: _rows(given.get(name, data), content, name).in_order_of(artifact.manifest.labels, whose="the model")
        for name in names
    }


def _rows(data: Examples, content: Mapping[str, Any], name: str) -> Examples:
    row_of = {key: row for row, key in enumerate(data.ids)}
    ids = content[name]
    missing = sum(key not in row_of for key in ids)
    if missing:
        raise InputDataError(
            f"{missing:,} of the {len(ids):,} {name} rows of the model are not in these data; give the data, and "
            f"the options for columns and labels, that it was trained with (and --{name} FILE if it had one)"
        )
    part = data.take(np.array([row_of[key] for key in ids], dtype=np.int64))
    if part.fingerprint() != content[_FINGERPRINTS][name]:
        raise InputDataError(
            f"a text or a label of the {name} rows has changed since the model was trained; give the data, and "
            "the options for columns and labels, that it was trained with"
        )
    return part


def _read(artifact: Artifact) -> dict[str, Any]:
    if FILE not in artifact.manifest.files:
        raise ArtifactError(f"{artifact.path} has no {FILE}; only a model that was trained here knows its parts")
    try:
        content: dict[str, Any] = json.loads(artifact.read(FILE))
        complete = all(isinstance(content[name], list) and content[_FINGERPRINTS][name] for name in PARTS)
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise ArtifactError(f"{artifact.path / FILE} was not written by this version; train the model again")
    return content
