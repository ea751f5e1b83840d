"""Evaluates a sealed model on a labelled data set with the serving code, and adds the result to its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import ArtifactError, InputDataError
from shared.model_folder.artifact import open_artifact
from trainer.data.labels.label_map import quoted
from trainer.evaluation.metrics import Figures, figures
from trainer.evaluation.report import LaterEvaluation, read_report
from trainer.evaluation.serving import serve
from trainer.models.model_folder import publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.select import Precision
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples, IntArray

_NAMED: Final = 10
"""Labels that an error shows in a map."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of `evaluate`."""

    name: str
    """Name of the file or folder of the data."""
    version: str
    engine: str
    """Library, precision and batching."""
    figures: Figures


def evaluate(
    artifact: Artifact, examples: Examples, name: str, *, device: str, precision: Precision, write: bool
) -> Measured:
    """Scores every labelled row, duplicates included; raises ArtifactError, InputDataError or SettingsError.

    With `write`, the result goes under `name` into metrics.json, the card and the manifest; the version does not
    change. The folder is checked before and after scoring, so that the figures are not those of a model that
    replaced it.
    """
    folder, manifest = artifact.path, artifact.manifest
    gold = _in_order_of(manifest.labels, examples)
    served = serve(artifact, examples.texts, device=device, precision=precision)
    if not len(served.rows):
        raise InputDataError(f"no text of {name} can be scored")
    found = figures(served.logits, gold[served.rows], manifest.labels, manifest.temperature)
    if open_artifact(folder).manifest != manifest:
        raise ArtifactError(f"{folder} was replaced by another model while it was measured; start again")
    if write:
        later = LaterEvaluation(name=name, sha256=examples.fingerprint(), engine=served.engine, figures=found)
        publish(folder, manifest, read_report(artifact).with_later(later))
    return Measured(name, artifact.version, served.engine, found)


def _in_order_of(labels: tuple[str, ...], examples: Examples) -> IntArray:
    """The true labels as indices into the model's labels, `[rows]`; raises InputDataError for an unknown label."""
    unknown = sorted(set(examples.label_names) - set(labels))[:_NAMED]
    if unknown:
        raise InputDataError(
            f"the model does not know the label {', '.join(map(repr, unknown))}; its labels are "
            f"{', '.join(map(repr, labels))}: say which is which with --label-map {_map_for(unknown, labels)}, or "
            "leave out a label with --ignore-label"
        )
    index = np.array([labels.index(name) for name in examples.label_names], dtype=np.int64)
    return index[examples.labels]


def _map_for(unknown: Sequence[str], labels: Sequence[str]) -> str:
    """A map to complete: another spelling has its label, the others are open."""
    label_of = {label.casefold(): label for label in labels}
    names = {one: label_of.get(one.casefold(), "LABEL") for one in unknown}
    return ",".join(f"{quoted(one)}={quoted(name)}" for one, name in names.items())
