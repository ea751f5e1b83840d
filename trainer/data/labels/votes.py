"""Several annotators: the label of the majority, within one value and over the rows of one item."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from trainer.data.labels.left_out import MERGED, TIE, LeftOut

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


class Votes(tuple[object, ...]):
    """The answers of several annotators to one text, as the label of a row: one value for each."""

    __slots__ = ()


def majority(labels: Iterable[str]) -> str | LeftOut:
    """The most frequent of one or more labels; TIE if there is no single one."""
    ranked = Counter(labels).most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return TIE
    return ranked[0][0]


def merge(found: Sequence[str | LeftOut], keys: Sequence[Hashable]) -> list[str | LeftOut]:
    """The labels, where rows with one key count as answers to one item.

    The first labelled row of an item has the label of the majority, its other labelled rows are MERGED. If the
    labels tie, the first row has TIE.
    """
    merged = list(found)
    if len(set(keys)) == len(keys):  # 1.6M rows: 1.0 s instead of 3.8 s
        return merged
    rows_of: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if isinstance(found[row], str):
            rows_of[key].append(row)
    for rows in rows_of.values():
        if len(rows) > 1:
            merged[rows[0]] = majority(str(found[row]) for row in rows)
            for row in rows[1:]:
                merged[row] = MERGED
    return merged
