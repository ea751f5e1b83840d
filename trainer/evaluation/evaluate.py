"""Evaluates a sealed model on a labelled data set with the serving code, and adds the result to its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ArtifactError, InputDataError
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import open_artifact
from trainer.evaluation.metrics import Figures, figures
from trainer.evaluation.report import LaterEvaluation, read_report
from trainer.evaluation.serving import serve
from trainer.models.model_folder import publish

if TYPE_CHECKING:
    from shared.inference.engines.select import Precision
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples


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
    gold = examples.in_order_of(manifest.labels, whose="the model").labels
    served = serve(artifact, examples.texts, device=device, precision=precision)
    if not len(served.rows):
        raise InputDataError(f"no text of {name} can be scored")
    found = figures(served.logits, gold[served.rows], manifest.labels, Postprocessing.of(manifest))
    if open_artifact(folder).manifest != manifest:
        raise ArtifactError(f"{folder} was replaced by another model while it was measured; start again")
    if write:
        later = LaterEvaluation(name=name, sha256=examples.fingerprint(), engine=served.engine, figures=found)
        publish(folder, manifest, read_report(artifact).with_later(later))
    return Measured(name, artifact.version, served.engine, found)
