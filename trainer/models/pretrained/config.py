"""Reads config.json of a model's folder as plain JSON, before any of it reaches transformers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError
from shared.model_folder.artifact import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 10_000_000
"""A config.json has about 1 kB, and 100 kB with a thousand labels; a tokenizer_config.json may have 1 MB."""


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of a folder; raises InputDataError."""
    path = folder / name
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_BYTES))
    except OSError as error:
        raise InputDataError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
    except ValueError:
        raise InputDataError(f"{path} is not JSON, or is larger than {MAX_BYTES:,} bytes") from None
    if not isinstance(content, dict):
        raise InputDataError(f"{path} is not a JSON object")
    return content


def refuse_code(folder: Path, name: str) -> None:
    """Raises InputDataError if a JSON file of the folder, which may be missing, names code of its own to run."""
    if (folder / name).is_file() and read_json(folder, name).get("auto_map"):
        raise InputDataError(
            f"{folder / name} names Python code of its own (auto_map), which is never run; only architectures "
            "that transformers has can be used"
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a model that transformers has an architecture for; raises InputDataError."""
    refuse_code(folder, CONFIG)
    config = read_json(folder, CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise InputDataError(f"{folder / CONFIG} has no model_type, so its architecture is unknown")
    if config.get("quantization_config"):
        raise InputDataError(f"{folder} holds quantised weights; give the model that it was quantised from")
    # Old ones have it beside id2label, which it would override.
    return {name: value for name, value in config.items() if name not in {"num_labels", "_num_labels"}}
