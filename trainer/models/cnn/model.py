"""A trained CNN with how it reads texts: saved as safetensors and JSON, loaded from a sealed folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from safetensors.numpy import save_file

from shared.inference.cnn.model import VOCABULARY, WEIGHTS, Cnn, Config, load_cnn
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import CONFIG
from trainer.models.cnn.words import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.models.transformer.predict import FloatArray


@dataclass(frozen=True, slots=True)
class CnnModel:
    """A network and how it reads texts."""

    network: Cnn
    reading: Reading
    labels: tuple[str, ...]
    postprocessing: Postprocessing = field(default_factory=Postprocessing)

    def predict_proba(self, texts: Sequence[str]) -> FloatArray:
        """Probabilities `[rows, labels]` of raw texts that have a word each."""
        logits = self.network.logits(self.reading.split(texts))
        return self.postprocessing.probabilities(logits.astype(float))

    def save(self, folder: Path) -> None:
        """Writes config.json, vocabulary.json and model.safetensors; the caller seals the folder."""
        config = Config(id2label=dict(enumerate(self.labels)), widths=tuple(self.network.filters))
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        words = json.dumps({"words": self.network.words}, ensure_ascii=False)
        (folder / VOCABULARY).write_text(f"{words}\n", encoding="utf-8")
        save_file(self.network.arrays(), folder / WEIGHTS)
        (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode)  # written for the owner only

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Loads from a folder that is checked; raises ArtifactError if the files do not fit each other."""
        network, manifest = load_cnn(artifact), artifact.manifest
        reading = Reading(network.words, manifest.normaliser.options, manifest.max_tokens)
        return cls(network, reading, manifest.labels, Postprocessing.of(manifest))
