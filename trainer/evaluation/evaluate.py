"""Evaluates a sealed model on a labelled data set with the serving code, and adds the result to its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ArtifactError, InputDataError
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import open_artifact
from trainer.evaluation.behaviour.measure import measure_behaviour
from trainer.evaluation.metrics import Figures, figures
from trainer.evaluation.report import LaterEvaluation, read_report
from trainer.evaluation.serving import serve
from trainer.models.model_folder import publish

if TYPE_CHECKING:
    from shared.inference.engines.select import Precision
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.evaluation.behaviour.results import Behaviour


def evaluate_behaviour(artifact: Artifact, *, device: str, precision: Precision, write: bool) -> Behaviour:
    """Runs the behaviour suite; raises ArtifactError, SettingsError or ScorerError.

    With `write`, the result replaces an older one in metrics.json and the card; the version does not change.
    """
    found = measure_behaviour(artifact, device=device, precision=precision)
    _require_unchanged(artifact)
    if write:
        publish(artifact.path, artifact.manifest, read_report(artifact).model_copy(update={"behaviour": found}))
    return found


def _require_unchanged(artifact: Artifact) -> None:
    if open_artifact(artifact.path).manifest != artifact.manifest:
        raise ArtifactError(f"{artifact.path} was replaced by another model while it was measured; start again")


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
    _require_unchanged(artifact)
    if write:
        later = LaterEvaluation(name=name, sha256=examples.fingerprint(), engine=served.engine, figures=found)
        publish(folder, manifest, read_report(artifact).with_later(later))
    return Measured(name, artifact.version, served.engine, found)
