"""The `Scorer` for `Scheduler` of models that read words: a row is the features of a text, a pass their logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.inference.linear.features import cut, tokens
from shared.inference.postprocessing import Postprocessing
from shared.inference.types import BLANK, ModelIdentity
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.inference.linear.features import Ids
    from shared.inference.types import Score, Unscorable
    from shared.model_folder.artifact import Artifact

BATCH_WORDS: Final = 16_384
"""Words of a pass; it bounds the memory, of some 50 features a word with n-grams of characters."""


class WordModel(Protocol):
    """A model whose features are looked up by word."""

    @property
    def precision(self) -> str:
        """Of its numbers."""
        ...

    def features_of(self, words: Sequence[str], text: str) -> tuple[Ids, int]:
        """The numbers of the features of a normalised text, and how many of its words are known.

        `words` are those of `text`.
        """
        ...

    def logits_of(self, rows: Sequence[Ids]) -> NDArray[Any]:
        """`[rows, labels]` of the features of at least one text, before calibration."""
        ...


@dataclass(frozen=True, slots=True)
class WordRow:
    """The features of one text, and its number of words as its length."""

    ids: Ids
    """Numbers of the features, as `WordModel.features_of` gives them."""
    words: int
    truncated: bool
    unknown_share: float
    """Share of the words that the model does not know."""

    def __len__(self) -> int:
        """Words that were read."""
        return self.words


class WordScorer:
    """Scores on the CPU, one pass at a time."""

    concurrency: Final = 1
    batch_tokens: Final = BATCH_WORDS
    padding: Final = None

    def __init__(self, artifact: Artifact, model: WordModel) -> None:
        """Takes a checked folder, and the model that was loaded from it."""
        manifest = artifact.manifest
        self.model = ModelIdentity.of(artifact)
        self._kind = manifest.base.name
        self._max_words = manifest.max_tokens
        self._options = manifest.normaliser.options
        self._postprocessing = Postprocessing.of(manifest)
        self._words = model

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device."""
        return {
            "name": self.model.name,
            "version": self.model.version,
            "engine": f"{self._kind}, {self._words.precision}",
            "device": "cpu",
        }

    def normalise(self, text: str) -> str:
        """Normalises as in training."""
        return normalise(text, self._options)

    def tokenise(self, texts: Sequence[str]) -> Sequence[WordRow | Unscorable]:
        """Returns a row for each normalised text that has a word or a sign, BLANK for the others."""
        return [self._row(text) for text in texts]

    def forward(self, rows: Sequence[WordRow]) -> Sequence[Score | None]:
        """Runs one pass; see `Scorer`."""
        logits = self._words.logits_of([row.ids for row in rows])
        return self._postprocessing.scores(logits, rows, self.model, sum(map(len, rows)))

    def _row(self, text: str) -> WordRow | Unscorable:
        read = cut(text, self._max_words)
        words = tokens(read)
        if not words:
            return BLANK
        ids, known = self._words.features_of(words, read)
        truncated = len(read) < len(text.rstrip())
        return WordRow(ids, len(words), truncated, 1 - known / len(words))
