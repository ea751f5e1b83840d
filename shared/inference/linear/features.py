"""Texts to n-grams of words and characters, and these to the numbers of a vocabulary.

The n-grams are those of scikit-learn's CountVectorizer (`word` with the pattern below, and `char_wb`), which the
trainer learns the vocabulary with; a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

MIN_CHARACTERS: Final = 2
"""Shortest n-gram of characters."""

# Contractions are one word, and a run of signs is one: "n't", ":)" and "!!!" carry sentiment.
_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]+")


class Features(BaseModel, frozen=True, extra="forbid"):
    """What the features of a model are."""

    values: Literal["counts", "binary", "tfidf", "mean"]
    """mean: counts divided by their sum; tfidf: sublinear counts times idf, each row of length 1."""
    words: int = Field(ge=1, le=5)
    """Longest n-gram of words."""
    characters: int = Field(default=0, ge=0, le=10)
    """Longest n-gram of characters within words; 0: none."""
    min_rows: int = Field(default=1, ge=1)
    """Least training rows that have an n-gram."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The n-grams in the order of the features: first those of words, then those of characters."""

    words: tuple[str, ...]
    characters: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of features."""
        return len(self.words) + len(self.characters)


class FeatureIndex:
    """The numbers of the features of a text. Any thread."""

    def __init__(self, features: Features, vocabulary: Vocabulary) -> None:
        self._longest_words = features.words
        self._longest_characters = features.characters
        self._words = {ngram: number for number, ngram in enumerate(vocabulary.words)}
        first = len(vocabulary.words)
        self._characters = {ngram: number for number, ngram in enumerate(vocabulary.characters, first)}

    def ids(self, text: str) -> Ids:
        """All features of a normalised text, each as often as it occurs, `[occurrences]`."""
        words = tokens(text)
        return np.array(self.known_words(words) + self.longer(words, text), np.int64)

    def known_words(self, words: Sequence[str]) -> list[int]:
        """The features of single words, each as often as it occurs."""
        return [number for number in map(self._words.get, words) if number is not None]

    def longer(self, words: Sequence[str], text: str) -> list[int]:
        """The features of longer n-grams of words and of those of characters, each as often as it occurs."""
        found: list[int | None] = []
        for length in range(2, self._longest_words + 1):
            shifted = (words[start:] for start in range(length))
            found += map(self._words.get, map(" ".join, zip(*shifted, strict=False)))
        if self._longest_characters:
            found += map(self._characters.get, character_ngrams(text, self._longest_characters))
        return [number for number in found if number is not None]


def tokens(text: str) -> list[str]:
    """The words of a normalised text, and its runs of other signs."""
    return _WORD.findall(text)


def cut(text: str, max_tokens: int) -> str:
    """The beginning of a text with at most `max_tokens` words."""
    if len(text) <= max_tokens:  # a word has a character
        return text
    for number, found in enumerate(_WORD.finditer(text), start=1):
        if number == max_tokens:
            return text[: found.end()]
    return text


def character_ngrams(text: str, longest: int) -> list[str]:
    """N-grams of 2 to `longest` characters within words, a space before and after each word included."""
    found: list[str] = []
    for word in text.split():
        padded = f" {word} "
        for length in range(MIN_CHARACTERS, longest + 1):
            if length >= len(padded):
                found.append(padded)  # once, however much longer the n-grams may be
                break
            found += [padded[start : start + length] for start in range(len(padded) - length + 1)]
    return found
