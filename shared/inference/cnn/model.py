"""A TextCNN (Kim 2014, arXiv 1408.5882) and its files.

Each filter looks at 3, 4 or 5 neighbouring words; its largest answer in a text is one number of the text, and a
linear layer makes logits of these. A filter may reach over the edges of a text, where all is zero, so that a text
of one word has an answer of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from shared.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.inference.linear.features import Ids
    from shared.model_folder.artifact import Artifact

    Floats = NDArray[np.float32]

WEIGHTS: Final = "model.safetensors"
VOCABULARY: Final = "vocabulary.json"
EDGE: Final = 0
"""Number of the place beyond an edge of a text; its embedding is zero."""
UNKNOWN: Final = 1
"""Number of all words that are not in the vocabulary; those of the vocabulary follow."""
FIRST: Final = 2
CHUNK_ROWS: Final = 1_024
"""Texts that `logits` computes at once."""


class Config(BaseModel, frozen=True, extra="forbid"):
    """Content of config.json."""

    model_type: Literal["cnn"] = "cnn"
    id2label: dict[int, str]
    widths: tuple[Annotated[int, Field(ge=1, le=20)], ...] = Field(min_length=1, max_length=10)
    """Words that the filters of each group look at."""


class Words(BaseModel, frozen=True, extra="forbid"):
    """Content of vocabulary.json."""

    words: tuple[str, ...]


@dataclass(slots=True)
class Cnn:
    """A trained network, in fp32. Any thread."""

    words: tuple[str, ...]
    embeddings: Floats
    """`[FIRST + words, size]`."""
    filters: dict[int, Floats]
    """By width, `[width, size, filters]`."""
    biases: dict[int, Floats]
    """By width, `[filters]`."""
    output: Floats
    """`[widths * filters, labels]`, in the order of `filters`."""
    intercepts: Floats
    """`[labels]`."""
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Makes the index of the vocabulary."""
        self._numbers = {word: number for number, word in enumerate(self.words, FIRST)}

    @property
    def precision(self) -> str:
        """Of the arithmetic."""
        return "fp32"

    def features_of(self, words: Sequence[str], text: str) -> tuple[Ids, int]:  # noqa: ARG002 - as `WordModel` has it
        """The numbers of the words of a text, `[words]`, and how many are known."""
        ids = np.array([self._numbers.get(word, UNKNOWN) for word in words], np.int64)
        return ids, int((ids != UNKNOWN).sum())

    def logits(self, texts: Sequence[Sequence[str]]) -> Floats:
        """`[texts, labels]` of the words of texts, each at least one, before calibration."""
        chunks = (texts[start : start + CHUNK_ROWS] for start in range(0, len(texts), CHUNK_ROWS))
        found = [self.logits_of([self.features_of(words, "")[0] for words in chunk]) for chunk in chunks]
        return np.concatenate([np.empty((0, len(self.intercepts)), np.float32), *found])

    def logits_of(self, rows: Sequence[Ids]) -> Floats:
        """The same of the numbers of words of at least one text.

        The logits of a row do not depend on the other rows, except for the last bits: a matrix product of another
        size may sum in another order.
        """
        # One line of all texts. The edges between two are as wide as the widest filter reaches, so none sees both.
        edge = max(self.filters) - 1
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        starts = edge + np.concatenate([[0], np.cumsum(lengths + edge)[:-1]])
        line = np.full(starts[-1] + lengths[-1] + edge + 1, EDGE)
        line[
            np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        ] = np.concatenate(rows)
        embedded = self.embeddings[line]
        found = []
        for width, filters in self.filters.items():
            places = len(line) - width + 1
            answers = embedded[:places] @ filters[0]
            for offset in range(1, width):
                answers += embedded[offset : offset + places] @ filters[offset]
            # All places where the filter sees a word of the text; what is between two of them is passed over.
            bounds = np.stack([starts - width + 1, starts + lengths], axis=1).ravel()
            largest = np.maximum.reduceat(answers, bounds, axis=0)[::2]
            found.append(np.maximum(largest + self.biases[width], 0))
        logits: Floats = np.hstack(found) @ self.output + self.intercepts
        return logits

    def arrays(self) -> dict[str, Floats]:
        """What is saved, by name."""
        named = {"embeddings": self.embeddings, "output": self.output, "intercepts": self.intercepts}
        for width in self.filters:
            named |= {f"filters.{width}": self.filters[width], f"biases.{width}": self.biases[width]}
        return named


def load_cnn(artifact: Artifact) -> Cnn:
    """The network of a folder that is checked; raises ArtifactError if the files do not fit each other."""
    try:
        config = Config.model_validate(artifact.config())
        words = Words.model_validate_json(artifact.read(VOCABULARY)).words
        arrays = load(artifact.read(WEIGHTS))
    except (ValidationError, SafetensorError) as error:
        raise _unfit(artifact, type(error).__name__) from None
    _check(artifact, config, words, arrays)
    return Cnn(
        words,
        arrays["embeddings"],
        {width: arrays[f"filters.{width}"] for width in config.widths},
        {width: arrays[f"biases.{width}"] for width in config.widths},
        arrays["output"],
        arrays["intercepts"],
    )


def _check(artifact: Artifact, config: Config, words: Sequence[str], arrays: dict[str, Any]) -> None:
    """Raises ArtifactError for shapes that do not fit, repeated words and odd numbers."""
    labels = len(artifact.manifest.labels)
    size = arrays["embeddings"].shape[-1] if "embeddings" in arrays else 0
    filters = arrays["output"].shape[0] // len(config.widths) if "output" in arrays else 0
    expected = {
        "embeddings": (FIRST + len(words), size),
        "output": (filters * len(config.widths), labels),
        "intercepts": (labels,),
    }
    for width in config.widths:
        expected |= {f"filters.{width}": (width, size, filters), f"biases.{width}": (filters,)}
    if {name: array.shape for name, array in arrays.items()} != expected or not size or not filters:
        raise _unfit(artifact, f"the arrays of {WEIGHTS} have other shapes")
    if any(array.dtype != np.float32 for array in arrays.values()):
        raise _unfit(artifact, f"{WEIGHTS} has numbers that are not fp32")
    if not words or len(set(words)) < len(words) or len(set(config.widths)) < len(config.widths):
        raise _unfit(artifact, f"{VOCABULARY} or the widths of {artifact.path.name} have an entry twice, or none")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise _unfit(artifact, f"{WEIGHTS} has numbers that are not finite")
    if arrays["embeddings"][EDGE].any():
        raise _unfit(artifact, "the edge of a text has an embedding")


def _unfit(artifact: Artifact, why: str) -> ArtifactError:
    return ArtifactError(f"{artifact.path} cannot be loaded as a CNN ({why}); train the model again")
