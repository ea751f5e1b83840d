"""Exact and near duplicates, and those of them whose labels disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.data.duplicates import spelling
from trainer.data.near_duplicates import near_duplicate_groups
from trainer.data.quality.findings import Conflict, Repeats
from trainer.data.quality.sampling import Limit, Sample, draw, row_of

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray
    from trainer.data.quality.findings import Scope

# Measured on two busy cores: 200,000 tweets 8 s, 800,000 53 s; 50,000 reviews of 230 words 39 s.
NEAR_LIMIT: Final = Limit(rows=200_000, chars=30_000_000)
MAX_CONFLICTS: Final = 1_000
"""Conflicts that the report lists; it counts all."""
MAX_CONFLICT_ROWS: Final = 20
"""Rows that it lists of one."""


def exact_groups(examples: Examples) -> IntArray:
    """The group of rows with the same normalised text, `[rows]`; training takes one row of each."""
    first: dict[str, int] = {}
    groups = (first.setdefault(spelling(text), row) for row, text in enumerate(examples.texts))
    return np.fromiter(groups, np.int64, len(examples))


def near_groups(examples: Examples, seed: int) -> tuple[Sample, IntArray]:
    """A sample, and the group of near-duplicates of each of its rows, `[sampled]`.

    Rows of the parts that are not for training come first: an overlap with them is what matters most.
    """
    parts = np.array(examples.parts if examples.parts is not None else [""] * len(examples))
    held_out = np.flatnonzero((parts != "train") & (parts != ""))
    sample = draw(examples, NEAR_LIMIT, seed, first=held_out)
    return sample, near_duplicate_groups([examples.texts[row] for row in sample.rows])


def find_repeats(
    examples: Examples, rows: IntArray, groups: IntArray, scope: Scope, *, show_texts: bool
) -> Repeats:
    """Counts the groups of several rows; `rows` are those that `groups` has an entry for."""
    order = np.argsort(groups, kind="stable")
    _, starts, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    several = np.flatnonzero(sizes > 1)
    labels = examples.labels[rows]
    conflicts: list[Conflict] = []
    conflicting = conflicting_rows = 0
    for group in several:
        members = order[starts[group] : starts[group] + sizes[group]]
        if len(np.unique(labels[members])) == 1:
            continue
        conflicting += 1
        conflicting_rows += len(members)
        if len(conflicts) < MAX_CONFLICTS:
            shown = (
                row_of(examples, int(rows[one]), show_texts=show_texts) for one in members[:MAX_CONFLICT_ROWS]
            )
            conflicts.append(Conflict(rows=tuple(shown)))
    return Repeats(
        groups=len(several),
        rows=int((sizes[several] - 1).sum()),
        conflicting_groups=conflicting,
        conflicting_rows=conflicting_rows,
        conflicts=tuple(conflicts),
        scope=scope,
    )
