"""Rows of one part whose text is in another part: a model that has seen them looks better than it is."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.data.quality.findings import Overlap

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray
    from trainer.data.quality.sampling import Sample

MAX_ROWS: Final = 1_000
"""Ids that the report lists of an overlap; it counts all."""


def find_overlaps(examples: Examples, exact: IntArray, sample: Sample, near: IntArray) -> tuple[Overlap, ...]:
    """One for each two parts, the smaller one first; none if the data have no parts.

    `exact` has the group of every row, `near` those of the sample.
    """
    if examples.parts is None:
        return ()
    parts = np.array(examples.parts)
    names = sorted(dict.fromkeys(examples.parts), key=lambda name: (int((parts == name).sum()), name))
    found = []
    for part, other in combinations(names, 2):
        same = _shared(exact, parts == part, parts == other)
        close = sample.rows[_shared(near, parts[sample.rows] == part, parts[sample.rows] == other)]
        close = close[~np.isin(close, same)]
        found.append(
            Overlap(
                part=part,
                other=other,
                exact=len(same),
                near=len(close),
                rows=tuple(examples.ids[row] for row in np.concatenate([same, close])[:MAX_ROWS]),
                near_scope=sample.scope,
            )
        )
    return tuple(found)


def _shared(groups: IntArray, here: IntArray, there: IntArray) -> IntArray:
    """Indices of the rows of `here` whose group is in `there` too."""
    rows = np.flatnonzero(here)
    return rows[np.isin(groups[rows], groups[there])]
