"""A baseline as a `Model`: fitted from examples, saved as safetensors and JSON, loaded from a sealed folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from safetensors.numpy import save_file

from shared.inference.linear.features import cut
from shared.inference.linear.model import VOCABULARY, WEIGHTS, Config, load_linear
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import CONFIG, open_artifact
from shared.model_folder.manifest import MAX_TOKENS
from shared.text import NormaliserOptions, normalise
from trainer.models.baselines import recipes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.inference.linear.model import Linear
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.models.transformer.predict import FloatArray


@dataclass(slots=True)
class Baseline:
    """One of `recipes.RECIPES`."""

    name: str
    options: NormaliserOptions
    max_tokens: int = MAX_TOKENS
    """Words of a text that are read; the rest is cut off."""
    seed: int = 0
    characters: int = 0
    """Longest n-gram of characters; 0: none."""
    postprocessing: Postprocessing = field(default_factory=Postprocessing)
    labels: tuple[str, ...] = ()
    fitted: Linear | None = None

    def fit(self, train: Examples, validation: Examples) -> None:
        """Fits on the training rows; the probabilities of the support vector machines on the validation rows."""
        self.labels = train.label_names
        task = recipes.Task(
            self._clean(train.texts),
            train.labels,
            held_out=(self._clean(validation.texts), validation.labels),
            seed=self.seed,
            characters=self.characters,
        )
        self.fitted = recipes.fit(self.name, task)

    def predict_proba(self, texts: Sequence[str]) -> FloatArray:
        """Probabilities `[rows, labels]` of raw texts."""
        return self.postprocessing.probabilities(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """`[rows, labels]` of raw texts, before calibration."""
        return self._linear.logits(self._clean(texts))

    def save(self, folder: Path) -> None:
        """Writes config.json, vocabulary.json and model.safetensors; the caller seals the folder."""
        model = self._linear
        config = Config(
            model_type=self.name,
            id2label=dict(enumerate(self.labels)),
            features=model.features,
        )
        names = {"words": model.vocabulary.words, "characters": model.vocabulary.characters}
        (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / VOCABULARY).write_text(json.dumps(names, ensure_ascii=False) + "\n", encoding="utf-8")
        arrays = {"coefficients": model.coefficients, "intercepts": model.intercepts}
        if model.idf is not None:
            arrays["idf"] = model.idf
        save_file({name: array.astype(np.float32) for name, array in arrays.items()}, folder / WEIGHTS)
        (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode)  # written for the owner only

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Checks a sealed folder and loads it; raises ArtifactError."""
        return cls.of(open_artifact(folder))

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Loads from a folder that is checked; raises ArtifactError if the files do not fit each other."""
        manifest = artifact.manifest
        return cls(
            name=manifest.base.name,
            options=manifest.normaliser.options,
            max_tokens=manifest.max_tokens,
            postprocessing=Postprocessing.of(manifest),
            labels=manifest.labels,
            fitted=load_linear(artifact),
        )

    @property
    def _linear(self) -> Linear:
        if self.fitted is None:
            raise RuntimeError("the model is not fitted")
        return self.fitted

    def _clean(self, texts: Sequence[str]) -> list[str]:
        return [cut(normalise(text, self.options), self.max_tokens) for text in texts]
