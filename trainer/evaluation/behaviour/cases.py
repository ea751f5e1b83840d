"""What a test of behaviour is, and the two functions that make its sentences from templates and word lists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product
from string import Formatter
from typing import TYPE_CHECKING, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["MFT", "INV", "DIR"]
"""Minimum functionality, invariance and directional expectation: the three kinds of CheckList."""
Polarity = Literal[-1, 0, 1]
C = TypeVar("C", str, tuple[str, ...])

NAMES: Final = (
    "vocabulary",
    "negation",
    "temporal",
    "opinion-holder",
    "question-answer",
    "typos",
    "names",
    "links",
    "emoji",
    "identity",
)
"""The capabilities, in the order of the report; `--max-failures` takes these names."""


@dataclass(frozen=True, slots=True)
class BehaviourTest:
    """Cases with one expectation; `rules.failed` says exactly when a case fails."""

    name: str
    kind: Kind
    cases: tuple[tuple[str, ...], ...]
    """The texts of each case. MFT: one. INV: variants of one sentence. DIR: before and after the change."""
    expected: frozenset[Polarity] = frozenset()
    """MFT: polarities of right labels. DIR: the direction in which the change may move the answer."""

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts of all cases, in order."""
        return tuple(text for case in self.cases for text in case)


@dataclass(frozen=True, slots=True)
class Capability:
    """Tests that share one failure rate."""

    name: str
    tests: tuple[BehaviourTest, ...]


def minimum(name: str, texts: Sequence[str], *expected: Polarity) -> BehaviourTest:
    """An MFT: each text must get a label of one of these polarities."""
    return BehaviourTest(name, "MFT", tuple((text,) for text in texts), frozenset(expected))


def fill(templates: Sequence[str], **words: Sequence[str]) -> list[str]:
    """Every template with every combination of the words that it names, with a capital at the start.

    `{thing}` takes a word of `words["thing"]`; `{thing:a}` puts the indefinite article before it.
    """
    texts = []
    for template in templates:
        fields = list(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))
        for chosen in product(*(words[field] for field in fields)):
            text = template.format(**{field: _Word(word) for field, word in zip(fields, chosen, strict=True)})
            texts.append(text[0].upper() + text[1:])
    return texts


def split_words(words: str) -> tuple[str, ...]:
    """The words of a list that is written as one string."""
    return tuple(words.split())


def thin(cases: Sequence[C], count: int) -> tuple[C, ...]:
    """`count` of the cases, in their order: always the same ones, spread over all templates and words."""
    # By digest: a fixed step through a product of word lists would meet only some of the words.
    distinct = list(dict.fromkeys(cases))
    chosen = set(sorted(distinct, key=digest)[:count])
    return tuple(case for case in distinct if case in chosen)


def digest(case: str | tuple[str, ...]) -> int:
    """A number that only depends on the texts of a case, and not on the version of Python."""
    text = case if isinstance(case, str) else "\0".join(case)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class _Word(str):
    """A word that can put its article before itself."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if spec != "a":
            return str.__format__(self, spec)
        vowel = self[0].lower() in "aeiou" and not self.lower().startswith(("use", "uni", "euro"))
        return f"{'an' if vowel else 'a'} {self}"
