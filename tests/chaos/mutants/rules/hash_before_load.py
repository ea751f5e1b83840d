"""Mutant: a hashed file is opened again for loading and not checked again."""

from __future__ import annotations

from shared.model_folder.artifact import Artifact
from tests.chaos.patching import replace


def apply() -> None:
    """Reads a file of the model folder by its path."""

    def read(self: Artifact, name: str) -> bytes:
        return (self.path / name).read_bytes()

    replace(Artifact, "read", read)
