"""The model's card in one line: name, macro-F1, calibration error, data and date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.model_folder.artifact import open_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.manifest import Manifest


def card_of(folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The card and the polarity of the labels; raises ArtifactError for a folder that is no model."""
    artifact = open_artifact(folder)
    return card(artifact.manifest, artifact.version), dict(artifact.manifest.polarity or {})


def card(manifest: Manifest, version: str) -> dict[str, Any]:
    """The line's parts; None for a figure that the manifest does not have."""
    # Of the held-out test rows, as `sentiment-trainer train` writes them.
    found: dict[str, Any] = manifest.metrics.get("test") or {}
    return {
        "name": manifest.name,
        "version": version,
        "macro_f1": found.get("macro_f1"),
        "ece": found.get("ece"),
        "rows": found.get("rows"),
        "data": None if manifest.data is None else manifest.data.source,
        "created_at": manifest.created_at.isoformat(),
    }
