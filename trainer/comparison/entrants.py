"""The models that `compare` takes, by the names that `--models` gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from shared.errors import SettingsError
from shared.model_folder.artifact import MANIFEST
from trainer.models.baselines import vader
from trainer.models.baselines.recipes import RECIPES

Kind = Literal["baseline", "cnn", "reference", "folder", "base"]
MAX_MODELS: Final = 50
"""Models of one comparison."""
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Entrant:
    """One model of a comparison."""

    name: str
    """As given."""
    kind: Kind
    """A baseline, a CNN and a base are trained, a folder is loaded, a reference is neither."""
    key: str
    """Name of its folder in the output; of plain characters, and no two are equal."""


def entrants(spec: str) -> list[Entrant]:
    """The models of a list that is separated by commas; raises SettingsError for none, too many or one twice."""
    names = [name.strip() for name in spec.split(",") if name.strip()]
    if not 1 <= len(names) <= MAX_MODELS:
        raise SettingsError(f"--models: give 1 to {MAX_MODELS} names or folders, separated by commas")
    found: list[Entrant] = []
    for name in names:
        if any(name == other.name for other in found):
            raise SettingsError(f"--models: {name} is given twice")
        plain = _NOT_PLAIN.sub("-", Path(name).name).strip(".-") or "model"
        taken = {other.key for other in found}
        numbered = (plain, *(f"{plain}-{number}" for number in range(2, MAX_MODELS + 2)))
        found.append(Entrant(name, _kind(name), next(key for key in numbered if key not in taken)))
    return found


def _kind(name: str) -> Kind:
    if name in RECIPES:
        return "baseline"
    if name == "cnn":
        return "cnn"
    if name == vader.NAME:
        return "reference"
    # Anything else is what --base takes: a bundled base, a name on the hub, or a local folder without a manifest.
    return "folder" if (Path(name) / MANIFEST).is_file() else "base"
