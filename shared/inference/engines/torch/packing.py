"""Packs messages of different lengths into one pass without padding between them. Pure numpy.

There are two layouts. Flat: all tokens end to end, with bounds as cumulative lengths. In rows: messages side by
side in rows of a fixed width, each slot marked with the message that it belongs to. All inputs of a pass are in
one int32 array, the slab, which needs a single copy to the device.
"""

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
class Shape:
    """The sizes of a pass, which a CUDA graph fixes. A pass may be smaller than its shape, never larger."""

    flat: bool
    slots: int
    """Number of token slots, padding included."""
    messages: int
    """Number of answers."""
    longest: int
    """Maximum tokens of a message. In rows it is the width of a row."""

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Lengths of the slab's parts: bounds, ids, positions, slots of the first tokens.

        Bounds are cumulative lengths `[messages + 1]` if flat, else each slot's message, from 1, or 0 for padding.
        They come first, since only the start of the slab is guaranteed to be aligned.
        """
        return (self.messages + 1 if self.flat else self.slots, self.slots, self.slots, self.messages)

    def holds(self, other: Shape) -> bool:
        """Whether a pass of the other shape can be run in this one."""
        return (
            self.flat == other.flat
            and self.slots >= other.slots
            and self.messages >= other.messages
            and (self.longest >= other.longest if self.flat else self.longest == other.longest)
        )


@dataclass(frozen=True, slots=True)
class Packing:
    """The slot of each token of a pass."""

    tokens: Ids
    """All messages end to end, in input order."""
    lengths: Counts
    starts: Counts
    """Slot of each message's first token, in input order."""
    shape: Shape
    """The smallest shape that holds the pass."""

    def write(self, slab: NDArray[np.int32], shape: Shape, first_position: int) -> None:
        """Fills the slab of a shape that holds this pass.

        Padding slots get token and position 0. In the flat layout they belong to no message: nothing attends to
        them, and their output is undefined. In rows they are a separate message, number 0, in each row. Unused
        answers point to slot 0; in the flat layout their messages have no tokens.
        """
        messages = len(self.lengths)
        ends = np.cumsum(self.lengths)
        within = np.arange(len(self.tokens)) - np.repeat(ends - self.lengths, self.lengths)
        slots = np.repeat(self.starts, self.lengths) + within
        slab[:] = 0
        bounds, ids, positions, firsts = np.split(slab, np.cumsum(shape.parts)[:-1])
        ids[slots] = self.tokens
        positions[slots] = within + first_position
        firsts[:messages] = self.starts
        if shape.flat:
            bounds[1 : messages + 1] = ends
            bounds[messages + 1 :] = ends[-1]
        else:
            bounds[slots] = np.repeat(np.arange(1, messages + 1), self.lengths)


def pack_flat(rows: Sequence[Ids]) -> Packing:
    """Packs messages end to end; at least one, none empty."""
    lengths = _lengths(rows)
    starts = np.cumsum(lengths) - lengths
    shape = Shape(flat=True, slots=int(lengths.sum()), messages=len(rows), longest=int(lengths.max()))
    return Packing(np.concatenate(rows), lengths, starts, shape)


def pack_rows(rows: Sequence[Ids], width: int) -> Packing:
    """Packs messages into rows by first fit; at least one, none empty or longer than `width`."""
    lengths = _lengths(rows)
    starts, used = first_fit(lengths, width)
    shape = Shape(flat=False, slots=used * width, messages=len(rows), longest=width)
    return Packing(np.concatenate(rows), lengths, starts, shape)


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


def _lengths(rows: Sequence[Ids]) -> Counts:
    return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
