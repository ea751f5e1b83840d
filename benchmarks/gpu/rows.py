"""The layout in rows: messages next to each other in rows of a fixed width, by first fit. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowsShape:
    """The sizes of a pass in rows."""

    tokens: int
    """Number of token slots, padding included."""
    messages: int
    width: int
    """Slots of a row."""

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Lengths of the slab's parts: the message of each slot, ids, positions, slots of the first tokens."""
        return self.tokens, self.tokens, self.tokens, self.messages


@dataclass(frozen=True, slots=True)
class RowsPacking:
    """All inputs of a pass in one array, the slab."""

    slab: NDArray[np.int32]
    shape: RowsShape

    def parts(self) -> list[NDArray[Any]]:
        """Views of each slot's message (from 1, 0 is padding), ids, positions, all `[tokens]`, and first tokens.

        Padding slots have token and position 0, and are a message of their own in each row.
        """
        return np.split(self.slab, np.cumsum(self.shape.parts)[:-1])


def pack_rows(rows: Sequence[Ids], first_position: int, width: int) -> RowsPacking:
    """Packs messages by first fit, at least one, none empty or longer than `width`."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    starts, used = first_fit(lengths, width)
    shape = RowsShape(tokens=used * width, messages=len(rows), width=width)
    packing = RowsPacking(np.zeros(sum(shape.parts), dtype=np.int32), shape)
    messages, ids, positions, firsts = packing.parts()
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    slots = np.repeat(starts, lengths) + within
    messages[slots] = np.repeat(np.arange(1, len(rows) + 1), lengths)
    ids[slots] = np.concatenate(rows)
    positions[slots] = within + first_position
    firsts[:] = starts
    return packing


def first_fit(lengths: Counts, width: int) -> tuple[Counts, int]:
    """First fit in decreasing order: the slot at which each message starts, and the number of rows.

    The result is the same as filling row after row with the longest message that still fits. Such a row is
    repeated while enough messages of its lengths are left, so the work grows with the number of distinct lengths,
    not of messages.
    """
    left = np.bincount(lengths, minlength=width + 1).tolist()
    lasting = sum(1 << length for length, count in enumerate(left) if count)  # bit set of the lengths left
    steps: list[tuple[int, int, int, int, int]] = []
    used = 0
    while lasting:
        row = _fill(left, lasting, width)
        repeats = min(left[length] // taken for length, taken, _ in row)
        for length, taken, offset in row:
            left[length] -= taken * repeats
            lasting ^= 0 if left[length] else 1 << length
            steps.append((length, taken, offset, used, repeats))
        used += repeats
    return _starts(np.array(steps), lengths, width), used


def _fill(left: Sequence[int], lasting: int, width: int) -> list[tuple[int, int, int]]:
    """One row: length, number of messages, and offset of the first, in decreasing order of length."""
    row = []
    free = width
    while fitting := lasting & ((2 << free) - 1):
        length = fitting.bit_length() - 1
        taken = min(left[length], free // length)
        row.append((length, taken, width - free))
        free -= length * taken
        lasting = fitting ^ (1 << length)
    return row


def _starts(steps: NDArray[Any], lengths: Counts, width: int) -> Counts:
    """Expands the steps of `first_fit` into the start of each message."""
    length, _, offset, first_row, repeats = np.repeat(steps, steps[:, 1] * steps[:, 4], axis=0).T
    items = steps[:, 1] * steps[:, 4]
    number = np.arange(len(lengths)) - np.repeat(np.cumsum(items) - items, items)
    found = (first_row + number % repeats) * width + offset + number // repeats * length
    starts = np.empty(len(lengths), dtype=np.int64)
    starts[np.argsort(-lengths, kind="stable")] = found[np.argsort(-length, kind="stable")]
    return starts
