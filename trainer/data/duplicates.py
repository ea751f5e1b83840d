"""Removes duplicates: rows with the same normalised text."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Collection

    from trainer.data.examples import Examples


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A data set without duplicates, and the numbers of removed rows."""

    examples: Examples
    duplicates: int
    excluded: int
    """Rows whose text must not be used."""
    conflicting: int
    """Rows of texts whose labels disagree without a majority; all of them are removed."""


def remove_duplicates(examples: Examples, excluded: Collection[str] = ()) -> Cleaned:
    """Keeps one row per normalised text: the first with the majority label; none if labels tie.

    None of the texts whose normalised text, casefolded, is in `excluded`.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(examples.texts):
        rows_of[spelling(text)].append(row)
    left_out = sum(len(rows_of.pop(key)) for key in rows_of.keys() & set(excluded))
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
    duplicates = len(examples) - len(rest) - conflicting - left_out
    return Cleaned(rest, duplicates, left_out, conflicting)


def spelling(text: str) -> str:
    """What two texts have in common if they are duplicates."""
    return normalise(text).casefold()
