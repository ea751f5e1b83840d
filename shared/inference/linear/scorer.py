"""The `Scorer` for `Scheduler` of a baseline: a row is the features of a text, a pass their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.inference.linear.features import cut, tokens
from shared.inference.linear.model import load_linear
from shared.inference.postprocessing import Postprocessing
from shared.inference.types import BLANK, ModelIdentity
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.linear.features import Ids
    from shared.inference.types import Score, Unscorable
    from shared.model_folder.artifact import Artifact

BATCH_WORDS: Final = 16_384
"""Words of a pass; it bounds the memory, of some 50 features a word with n-grams of characters."""


@dataclass(frozen=True, slots=True)
class LinearRow:
    """The features of one text, and its number of words as its length."""

    ids: Ids
    """Numbers of the features, each as often as it occurs, `[occurrences]`."""
    words: int
    truncated: bool
    unknown_share: float
    """Share of the words that are no features."""

    def __len__(self) -> int:
        """Words that were read."""
        return self.words


class LinearScorer:
    """Scores with one core; a score does not depend on the other texts of its pass."""

    concurrency: Final = 1
    batch_tokens: Final = BATCH_WORDS
    padding: Final = None

    def __init__(self, artifact: Artifact) -> None:
        """Loads the model of a checked folder; raises ArtifactError if its files do not fit each other."""
        manifest = artifact.manifest
        self.model = ModelIdentity.of(artifact)
        self._kind = manifest.base.name
        self._max_words = manifest.max_tokens
        self._options = manifest.normaliser.options
        self._postprocessing = Postprocessing.of(manifest)
        self._linear = load_linear(artifact)

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device."""
        return {
            "name": self.model.name,
            "version": self.model.version,
            "engine": f"{self._kind}, fp64",
            "device": "cpu",
        }

    def normalise(self, text: str) -> str:
        """Normalises as in training."""
        return normalise(text, self._options)

    def tokenise(self, texts: Sequence[str]) -> Sequence[LinearRow | Unscorable]:
        """Returns a row for each normalised text that has a word or a sign, BLANK for the others."""
        return [self._row(text) for text in texts]

    def forward(self, rows: Sequence[LinearRow]) -> Sequence[Score | None]:
        """Runs one pass; see `Scorer`."""
        logits = self._linear.logits_of([row.ids for row in rows])
        return self._postprocessing.scores(logits, rows, self.model, sum(map(len, rows)))

    def _row(self, text: str) -> LinearRow | Unscorable:
        read = cut(text, self._max_words)
        words = tokens(read)
        if not words:
            return BLANK
        index = self._linear.index
        known = index.known_words(words)
        ids = np.array(known + index.longer(words, read), np.int64)
        truncated = len(read) < len(text.rstrip())
        return LinearRow(ids, len(words), truncated, 1 - len(known) / len(words))
