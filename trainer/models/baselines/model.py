"""A baseline as a `Model`: fitted from examples, saved as safetensors and JSON, loaded from a sealed folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from shared.errors import ArtifactError
from shared.inference.postprocessing import Postprocessing
from shared.model_folder.artifact import CONFIG, open_artifact
from shared.model_folder.manifest import MAX_TOKENS
from shared.text import NormaliserOptions, normalise
from trainer.models.baselines import recipes
from trainer.models.baselines.features import Features, Vocabulary, cut, is_blank
from trainer.models.baselines.linear import Linear

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples, IntArray
    from trainer.models.transformer.predict import FloatArray

WEIGHTS: Final = "model.safetensors"
VOCABULARY: Final = "vocabulary.json"


class Config(BaseModel, frozen=True, extra="forbid"):
    """Content of config.json."""

    model_type: str
    id2label: dict[int, str]
    features: Features


class _Names(BaseModel, frozen=True, extra="forbid"):
    """Content of vocabulary.json."""

    words: tuple[str, ...]
    characters: tuple[str, ...]


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

    def readable(self, texts: Sequence[str]) -> IntArray:
        """The indices of the raw texts that have a word or a sign; the answer to any other would be arbitrary."""
        return np.flatnonzero([not is_blank(text) for text in self._clean(texts)])

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
        try:
            config = Config.model_validate(artifact.config())
            names = _Names.model_validate_json(artifact.read(VOCABULARY))
            arrays = load(artifact.read(WEIGHTS))
        except (ValidationError, SafetensorError) as error:
            raise _unfit(artifact, type(error).__name__) from None
        fitted = _checked(artifact, config, Vocabulary(names.words, names.characters), arrays)
        return cls(
            name=config.model_type,
            options=manifest.normaliser.options,
            max_tokens=manifest.max_tokens,
            postprocessing=Postprocessing.of(manifest),
            labels=manifest.labels,
            fitted=fitted,
        )

    @property
    def _linear(self) -> Linear:
        if self.fitted is None:
            raise RuntimeError("the model is not fitted")
        return self.fitted

    def _clean(self, texts: Sequence[str]) -> list[str]:
        return [cut(normalise(text, self.options), self.max_tokens) for text in texts]


def _checked(artifact: Artifact, config: Config, vocabulary: Vocabulary, arrays: dict[str, Any]) -> Linear:
    """The fitted model; raises ArtifactError for shapes that do not fit, repeated n-grams and odd numbers."""
    outputs = 1 if len(artifact.manifest.labels) == 2 else len(artifact.manifest.labels)  # noqa: PLR2004
    expected = {"coefficients": (len(vocabulary), outputs), "intercepts": (outputs,)}
    if config.features.values == "tfidf":
        expected["idf"] = (len(vocabulary),)
    if {name: array.shape for name, array in arrays.items()} != expected:
        raise _unfit(artifact, f"the arrays of {WEIGHTS} have other shapes")
    for names in (vocabulary.words, vocabulary.characters):
        if len(set(names)) < len(names):
            raise _unfit(artifact, f"{VOCABULARY} has an n-gram twice")
    if bool(vocabulary.characters) != bool(config.features.characters) or not vocabulary.words:
        raise _unfit(artifact, f"{VOCABULARY} lacks n-grams, or has some that the config has not")
    wide = {name: array.astype(np.float64) for name, array in arrays.items()}
    if not all(np.isfinite(array).all() for array in wide.values()):
        raise _unfit(artifact, f"{WEIGHTS} has numbers that are not finite")
    return Linear(config.features, vocabulary, wide["coefficients"], wide["intercepts"], wide.get("idf"))


def _unfit(artifact: Artifact, why: str) -> ArtifactError:
    return ArtifactError(f"{artifact.path} cannot be loaded as a baseline ({why}); train the model again")
