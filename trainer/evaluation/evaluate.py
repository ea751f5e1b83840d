"""Measures a sealed model on a labelled data set and adds the result to its folder, beside training's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.artifact import open_artifact
from shared.errors import ArtifactError, InputDataError
from trainer.data.readers import read_examples
from trainer.evaluation.metrics import Figures, figures
from trainer.evaluation.report import LaterEvaluation, read_report
from trainer.models.encoding import tokenise
from trainer.models.model_folder import load_model, publish
from trainer.models.predict import score

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples, IntArray
    from trainer.data.readers import ColumnNames


@dataclass(frozen=True, slots=True)
class Measured:
    """What `evaluate` found."""

    name: str
    """Of the data: its file's or folder's own name."""
    version: str
    figures: Figures


def evaluate(
    folder: Path, data: Path, names: ColumnNames, *, labels: Path | None, device: str, write: bool
) -> Measured:
    """Scores every labelled row, duplicates included, in fp32; raises ArtifactError or InputDataError.

    With `write`, metrics.json, the card and the manifest tell the result, too; the version stays as it is. The
    folder is checked before and after, so that the figures are not those of a model that took its place.
    """
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    examples = read_examples(data, names, labels)
    gold = _in_order_of(manifest.labels, examples)
    model, tokenizer = load_model(folder)
    tokens = tokenise(tokenizer, examples.texts, manifest.max_tokens, manifest.normaliser.options)
    logits = score(model, tokens, tokenizer.pad_token_id, device)
    found = figures(logits, gold, manifest.labels, manifest.temperature)
    if open_artifact(folder).manifest != manifest:
        raise ArtifactError(f"{folder} was replaced by another model while it was measured; start again")
    name = data.resolve().name
    if write:
        later = LaterEvaluation(name=name, sha256=examples.fingerprint(), figures=found)
        publish(folder, manifest, read_report(artifact).with_later(later))
    return Measured(name, artifact.version, found)


def _in_order_of(labels: tuple[str, ...], examples: Examples) -> IntArray:
    """[rows], the true labels as indices into the model's labels."""
    unknown = sorted(set(examples.label_names) - set(labels))
    if unknown:
        raise InputDataError(
            f"the model does not know the label {', '.join(map(repr, unknown))}; "
            f"its labels are {', '.join(map(repr, labels))}"
        )
    index = np.array([labels.index(name) for name in examples.label_names], dtype=np.int64)
    return index[examples.labels]
