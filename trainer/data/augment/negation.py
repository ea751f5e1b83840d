"""Which words of a text a change must leave alone, so that its label stays: negations and what they negate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.cases import split_words

if TYPE_CHECKING:
    from collections.abc import Sequence

NEGATIONS: Final = frozenset(
    split_words(
        "no not never none nothing nobody nowhere neither nor without cannot cant dont doesnt didnt isnt arent "
        "wasnt werent wont wouldnt shouldnt couldnt hasnt havent hadnt aint hardly barely scarcely rarely seldom "
        "lacks lacking fails failed"
    )
)
SCOPE_WORDS: Final = 4
"""Words after a negation that it may negate: "not really all that good"."""
_CONTRACTED: Final = re.compile(r"n['\u2019]t$")
_EDGES: Final = re.compile(r"^\W+|\W+$")
_ENDS: Final = re.compile(r"[.!?;:]['\")\u201d]*$")


def bare(word: str) -> str:
    """A word without the signs around it, in lower case."""
    return _EDGES.sub("", word).lower()


def is_negation(word: str) -> bool:
    """Whether a word negates others; `word` may have signs around it."""
    plain = bare(word)
    return plain in NEGATIONS or bool(_CONTRACTED.search(plain))


def protected(words: Sequence[str]) -> frozenset[int]:
    """The places of negations, and of the words that they may negate, up to the end of the sentence."""
    places: set[int] = set()
    left = 0
    for place, word in enumerate(words):
        if is_negation(word):
            left = SCOPE_WORDS
            places.add(place)
        elif left:
            left -= 1
            places.add(place)
        if _ENDS.search(word):
            left = 0
    return frozenset(places)
