"""Keyboard typos: a neighbouring key, two letters swapped, one missing, one doubled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.data.augment.negation import is_negation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

WORDS_PER_TYPO: Final = 10
"""A text has one typo for this many words, and at least one."""
# In a shorter word a wrong letter often gives another word: "fun" and "fund".
_WORD: Final = re.compile(r"^[\"'(]*([A-Za-z]{5,})\W*$")
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFTS: Final = (0.0, 0.25, 0.75)
"""Where each row of keys begins, in keys."""


def _neighbours() -> dict[str, str]:
    at = {key: (row, place + _SHIFTS[row]) for row, keys in enumerate(_ROWS) for place, key in enumerate(keys)}
    return {
        key: "".join(
            other
            for other, (row, place) in at.items()
            if other != key and abs(row - own[0]) <= 1 and abs(place - own[1]) <= 1
        )
        for key, own in at.items()
    }


NEIGHBOURS: Final = _neighbours()
"""Keys that touch a key on a QWERTY keyboard."""


def change(words: Sequence[str], chance: Generator) -> list[str]:
    """The words with typos; negations have none, nor do words that begin with a sign such as @ or #."""
    found = [place for place, word in enumerate(words) if _WORD.match(word) and not is_negation(word)]
    wanted = min(len(found), max(1, len(words) // WORDS_PER_TYPO))
    changed = list(words)
    for place in chance.permutation(len(found))[:wanted]:
        changed[found[place]] = _with_typo(words[found[place]], chance)
    return changed


def _with_typo(word: str, chance: Generator) -> str:
    """The first letter stays: people rarely miss it, and readers need it."""
    match = _WORD.match(word)
    if match is None:
        return word
    start, letters = match.start(1), match[1]
    at = start + int(chance.integers(1, len(letters) - 1))
    kind = int(chance.integers(0, 4))
    if kind == 0:
        near = NEIGHBOURS[word[at].lower()]
        typed = near[int(chance.integers(0, len(near)))]
        return word[:at] + (typed.upper() if word[at].isupper() else typed) + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 2 else word[: at + 1] + word[at:]  # noqa: PLR2004 - of four kinds
