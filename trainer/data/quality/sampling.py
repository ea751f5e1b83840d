"""Random samples for the checks that would take longer than a minute on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.quality.findings import Row, Scope

if TYPE_CHECKING:
    from trainer.data.examples import Examples, IntArray


@dataclass(frozen=True, slots=True)
class Limit:
    """What a check looks at, at most."""

    rows: int
    chars: int
    """Of all texts together: a review takes as long as ten tweets."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows of the data, or all."""

    rows: IntArray
    """`[sampled]`, in order."""
    scope: Scope


def draw(examples: Examples, limit: Limit, seed: int, first: IntArray | None = None) -> Sample:
    """All rows if they are within the limit, else as many random ones as it allows.

    The rows of `first` come before all others, and fill at most half of the limit.
    """
    total = len(examples)
    sizes = np.fromiter(map(len, examples.texts), np.int64, total)
    if total <= limit.rows and sizes.sum() <= limit.chars:
        return Sample(np.arange(total), Scope(rows=total, of=total))
    shuffle = np.random.default_rng(seed)
    order = shuffle.permutation(total)
    if first is not None and len(first):
        half = _within(shuffle.permutation(first), sizes, Limit(limit.rows // 2, limit.chars // 2))
        order = np.concatenate([half, order[~np.isin(order, half)]])
    chosen = np.sort(_within(order, sizes, limit))
    return Sample(chosen, Scope(rows=len(chosen), of=total))


def _within(order: IntArray, sizes: IntArray, limit: Limit) -> IntArray:
    fitting = int(np.searchsorted(np.cumsum(sizes[order]), limit.chars, side="right"))
    return order[: max(1, min(fitting, limit.rows))]


def row_of(examples: Examples, row: int, *, show_texts: bool) -> Row:
    """The row as the report names it."""
    return Row(
        id=examples.ids[row],
        label=examples.label_names[examples.labels[row]],
        part=None if examples.parts is None else examples.parts[row],
        text=examples.texts[row] if show_texts else None,
    )
