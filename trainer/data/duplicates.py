"""Removes duplicates, and finds near-duplicates, which must be in the same part of a split.

Test metrics are too good if training rows contain near-duplicates of test texts: 2 % of TweetEval's training
tweets have a near-duplicate, a fifth of these with another label.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.text import URL, USER, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import Examples, IntArray

# 2.2 % of TweetEval's validation tweets have such a near-duplicate among its training tweets.
SIMILAR: Final = 0.8
"""Two texts whose word sets have at least this Jaccard similarity are near-duplicates."""

_WORD = re.compile(r"\w+|[^\w\s]+")
_RETWEET = re.compile(r"^rt\b")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A data set without duplicates, and the numbers of removed rows."""

    examples: Examples
    duplicates: int
    conflicting: int
    """Rows of texts whose labels disagree without a majority; all of them are removed."""


def remove_duplicates(examples: Examples) -> Cleaned:
    """Keeps one row per normalised text: the first with the majority label; none if labels tie."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(examples.texts):
        rows_of[spelling(text)].append(row)
    kept: list[int] = []
    conflicting = 0
    for rows in rows_of.values():
        # 66 of TweetEval's training rows are texts that occur with more than one label.
        ranked = Counter(int(examples.labels[row]) for row in rows).most_common(2)
        if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:  # noqa: PLR2004 - the two most common
            conflicting += len(rows)
        else:
            kept.append(next(row for row in rows if examples.labels[row] == ranked[0][0]))
    rest = examples.take(np.array(sorted(kept), dtype=np.int64))
    return Cleaned(rest, len(examples) - len(rest) - conflicting, conflicting)


def spelling(text: str) -> str:
    """What two texts have in common if they are duplicates."""
    return normalise(text).casefold()


def near_duplicate_groups(texts: Sequence[str], similar: float = SIMILAR) -> IntArray:
    """The group of near-duplicates of each row, `[rows]`; the number of a group is its first row.

    The join is exact and not a sketch, so it finds every pair. It uses prefix filtering: with words sorted rarest
    first, two sets of n words or more can only reach similarity t if they share one of the n - ceil(t n) + 1
    rarest words of either, so only such texts are compared.
    """
    bags = [_words(text) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    parent = list(range(len(bags)))
    first_with: dict[frozenset[str], int] = {}
    holders: dict[str, list[int]] = defaultdict(list)
    for row, bag in enumerate(bags):
        if (first := first_with.setdefault(bag, row)) != row:  # equal sets need no search
            _join(parent, first, row)
            continue
        rarest = sorted(bag, key=lambda word: (frequency[word], word))
        # Without 1e-9, 0.8 x 35 = 28.000000000000004 would be rounded up to 29.
        prefix = rarest[: len(bag) - math.ceil(similar * len(bag) - 1e-9) + 1]
        for other in {other for word in prefix for other in holders[word]}:
            if _jaccard(bag, bags[other]) >= similar:
                _join(parent, other, row)
        for word in prefix:
            holders[word].append(row)
    return np.array([_root(parent, row) for row in range(len(bags))], dtype=np.int64)


def _words(text: str) -> frozenset[str]:
    """The words and punctuation of a text, without mentions, URLs and the mark of a retweet."""
    plain = _RETWEET.sub("", normalise(text).lower())
    return frozenset(_WORD.findall(plain.replace(USER, " "))) - {URL}


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def _join(parent: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
