"""From texts to the numbers of words that a CNN is trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import InputDataError
from shared.inference.cnn.model import EDGE, FIRST, UNKNOWN
from shared.inference.linear.features import cut, tokens
from shared.text import normalise
from trainer.models.recipe import COVERED_PERCENT, MIN_MAX_TOKENS
from trainer.models.transformer.encoding import Encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.text import NormaliserOptions
    from trainer.data.examples import Examples

MIN_COUNT: Final = 2
"""Least occurrences of a word that gets a number of its own; the others teach what an unknown word means."""
MAX_WORDS: Final = 100_000
"""Most frequent words that are kept: 40 MB of embeddings."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a network reads texts."""

    words: tuple[str, ...]
    """The vocabulary, the most frequent first."""
    options: NormaliserOptions
    max_tokens: int
    """Words of a text that are read."""

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of raw texts that are read."""
        return _split(texts, self.options, self.max_tokens)

    def tokenise(self, texts: Sequence[str]) -> list[Ids]:
        """The numbers of these words; a text without any is one unknown word, as no row may be empty."""
        numbers = {word: number for number, word in enumerate(self.words, FIRST)}
        return [
            np.array([numbers.get(word, UNKNOWN) for word in words] or [UNKNOWN], np.int32)
            for words in self.split(texts)
        ]

    def encode(self, examples: Examples) -> Encoded:
        """Labelled texts for the training loop."""
        return Encoded(self.tokenise(examples.texts), examples.labels, EDGE)


def learn_words(texts: Sequence[str], options: NormaliserOptions, max_tokens: int | None) -> Reading:
    """The vocabulary of raw training texts, and how long a text may be; raises InputDataError without a word.

    Without `max_tokens`, it is the smallest multiple of 32 words that COVERED_PERCENT of the texts fit in.
    """
    found = _split(texts, options, max_tokens)
    counts = Counter(word for words in found for word in words)
    frequent = sorted(
        (word for word in counts if counts[word] >= MIN_COUNT), key=lambda word: (-counts[word], word)
    )
    if not frequent:
        raise InputDataError(f"no word occurs {MIN_COUNT} times in the training texts; give more texts")
    if max_tokens is None:
        covered = np.percentile([len(words) for words in found], COVERED_PERCENT)
        max_tokens = max(MIN_MAX_TOKENS, int(np.ceil(covered / 32)) * 32)
    return Reading(tuple(frequent[:MAX_WORDS]), options, max_tokens)


def _split(texts: Sequence[str], options: NormaliserOptions, max_tokens: int | None) -> list[list[str]]:
    clean = (normalise(text, options) for text in texts)
    return [tokens(text if max_tokens is None else cut(text, max_tokens)) for text in clean]
