"""A model that is linear in the features of a text, and its files.

Naive Bayes, logistic regression, support vector machines and averaged word vectors under a linear classifier all
are, so one file format and one way to score serve them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from shared.errors import ArtifactError
from shared.inference.linear.features import FeatureIndex, Features, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.inference.linear.features import Ids
    from shared.model_folder.artifact import Artifact

    FloatArray = NDArray[np.float64]

WEIGHTS: Final = "model.safetensors"
VOCABULARY: Final = "vocabulary.json"
CHUNK_ROWS: Final = 4_096
"""Texts whose features are in memory at once."""


class Config(BaseModel, frozen=True, extra="forbid"):
    """Content of config.json."""

    model_type: str
    id2label: dict[int, str]
    features: Features


class Ngrams(BaseModel, frozen=True, extra="forbid"):
    """Content of vocabulary.json."""

    words: tuple[str, ...]
    characters: tuple[str, ...]


@dataclass(slots=True)
class Linear:
    """A fitted model. Arrays are fp64 in memory, with values that fp32 holds exactly: they are saved in fp32."""

    features: Features
    vocabulary: Vocabulary
    coefficients: FloatArray
    """`[features, outputs]`; one output for two labels, of the second against the first, else one for each."""
    intercepts: FloatArray
    """`[outputs]`"""
    idf: FloatArray | None = None
    """`[features]`, for tfidf only."""
    index: FeatureIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Makes the index of the vocabulary."""
        self.index = FeatureIndex(self.features, self.vocabulary)

    @property
    def precision(self) -> str:
        """Of the arithmetic."""
        return "fp64"

    def features_of(self, words: Sequence[str], text: str) -> tuple[Ids, int]:
        """The features of a normalised text, each as often as it occurs, and how many of its words are known."""
        known = self.index.known_words(words)
        return np.array(known + self.index.longer(words, text), np.int64), len(known)

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """`[rows, labels]` of normalised texts, before calibration."""
        chunks = (texts[start : start + CHUNK_ROWS] for start in range(0, len(texts), CHUNK_ROWS))
        found = [self.logits_of([self.index.ids(text) for text in chunk]) for chunk in chunks]
        return np.concatenate([np.empty((0, max(2, len(self.intercepts)))), *found])

    def logits_of(self, rows: Sequence[Ids]) -> FloatArray:
        """The same of the features of at least one text.

        A row holds the numbers of its features, each as often as it occurs. Its logits do not depend on the other
        rows.
        """
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        row, feature = np.repeat(np.arange(len(rows)), lengths), np.concatenate(rows)
        values: FloatArray | None = None
        if self.features.values in {"binary", "tfidf"}:
            cells, counts = np.unique(row * len(self.vocabulary) + feature, return_counts=True)
            row, feature = np.divmod(cells, len(self.vocabulary))
            if self.idf is not None:
                values = (1 + np.log(counts)) * self.idf[feature]
                values /= np.sqrt(np.bincount(row, values**2, len(rows)))[row]
        elif self.features.values == "mean":
            values = (1 / np.maximum(lengths, 1))[row]
        terms = self.coefficients[feature] if values is None else self.coefficients[feature] * values[:, None]
        # One column after the other, added in the order of the row: np.add.at takes ten times as long.
        sums = [np.bincount(row, column, len(rows)) for column in terms.T]
        outputs = np.stack(sums, axis=1) + self.intercepts
        return np.hstack([np.zeros_like(outputs), outputs]) if outputs.shape[1] == 1 else outputs


def load_linear(artifact: Artifact) -> Linear:
    """The model of a folder that is checked; raises ArtifactError if the files do not fit each other."""
    try:
        config = Config.model_validate(artifact.config())
        ngrams = Ngrams.model_validate_json(artifact.read(VOCABULARY))
        arrays = load(artifact.read(WEIGHTS))
    except (ValidationError, SafetensorError) as error:
        raise _unfit(artifact, type(error).__name__) from None
    return _checked(artifact, config, Vocabulary(ngrams.words, ngrams.characters), arrays)


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
