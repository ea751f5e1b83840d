"""One wrong letter in a sentence: the answer must stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.capabilities.words import reviews
from trainer.evaluation.behaviour.cases import BehaviourTest, Capability, digest

if TYPE_CHECKING:
    from collections.abc import Callable

_SENTENCES: Final = 99
# In a shorter word, one letter more or less often gives another word: "fun" and "fund".
_WORD = re.compile(r"[A-Za-z]{5,}")


def capability() -> Capability:
    """Two neighbouring letters swapped, one missing, one doubled."""
    return Capability(
        "typos",
        (
            _test("swapped letters", lambda word, at: word[:at] + word[at + 1] + word[at] + word[at + 2 :]),
            _test("missing letter", lambda word, at: word[:at] + word[at + 1 :]),
            _test("doubled letter", lambda word, at: word[: at + 1] + word[at:]),
        ),
    )


def _test(name: str, spoil: Callable[[str, int], str]) -> BehaviourTest:
    return BehaviourTest(name, "INV", tuple((text, _with_typo(text, spoil)) for text in reviews(_SENTENCES)))


def _with_typo(text: str, spoil: Callable[[str, int], str]) -> str:
    """The text with one changed word; which word and which letter, never the first, follows from the text."""
    found = list(_WORD.finditer(text))
    number = digest(text)
    for step in range(len(found)):
        match = found[(number + step) % len(found)]
        word = match[0]
        spoilt = spoil(word, 1 + number // len(found) % (len(word) - 2))
        if spoilt != word:  # two equal letters were swapped
            return text[: match.start()] + spoilt + text[match.end() :]
    raise ValueError("no word of the sentence can be changed")
