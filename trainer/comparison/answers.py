"""The answers of one model to the test rows, kept so that `compare` does not redo a model that is finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shared.errors import InputDataError

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import IntArray
    from trainer.models.transformer.predict import FloatArray

FACTS: Final = "result.json"
ANSWERS: Final = "answers.safetensors"
IDENTITY: Final = "identity"


class Facts(BaseModel, frozen=True, extra="forbid"):
    """What is known of one model besides its answers."""

    name: str
    version: str | None
    """Of the model folder."""
    engine: str
    texts_per_s: float
    train_s: float | None
    """None: not trained; for a folder, what its own report says."""
    bytes_on_disk: int | None
    """None: the model has no folder."""
    seen: str | None
    """What is known of test rows that a folder was trained on; None: it was trained here, on these parts."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers."""

    facts: Facts
    rows: IntArray
    """`[scored]`, indices of the test rows that have a score."""
    probabilities: FloatArray
    """`[scored, labels]`, in the order of the labels of the data."""
    labels: IntArray
    """`[scored]`, as the model decided."""


def identity(*parts: Any) -> str:
    """A digest of everything that decides the answers; of values that JSON can hold, or that have a text."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def write(folder: Path, answers: Answers) -> None:
    """Writes both files; the facts come last, so a folder with them is complete."""
    # In rows, since safetensors ignores that an array is transposed.
    arrays = {
        "rows": answers.rows,
        "probabilities": np.ascontiguousarray(answers.probabilities, np.float64),
        "labels": answers.labels,
    }
    save_file(arrays, folder / ANSWERS)
    partial = folder / f".{FACTS}.partial"
    partial.write_text(answers.facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / FACTS)


def claim(folder: Path, wanted: str) -> None:
    """Marks a folder as that of a model with this identity; raises InputDataError if it has another already."""
    path = folder / IDENTITY
    if path.is_file():
        if path.read_text(encoding="ascii").strip() != wanted:
            raise InputDataError(
                f"{folder} has a model of other data, settings or another version; choose another --output, or "
                "remove the folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputDataError(f"{folder} holds files that are not of a comparison; choose another --output")
    path.write_text(f"{wanted}\n", encoding="ascii")


def read(folder: Path) -> Answers | None:
    """The answers of a finished model; None if there are none. Call `claim` before."""
    if not (folder / FACTS).is_file():
        return None
    try:
        facts = Facts.model_validate_json((folder / FACTS).read_bytes())
        arrays = load_file(folder / ANSWERS)
    except (OSError, ValidationError, SafetensorError):
        raise InputDataError(f"{folder} was not written by this version; remove it, or choose another") from None
    return Answers(facts, **arrays)
