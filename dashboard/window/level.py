"""Sums of one bucket width: a ring of buckets, each a table of rows and columns of whole numbers.

Exact: a record that is within the ring's time is in exactly one bucket until that leaves the ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

AHEAD_S: Final = 60
"""How far the timestamp of a record may be ahead of this machine's clock."""
_FIRST_ROWS: Final = 8
_NEVER: Final = np.iinfo(np.int64).min


class Level:
    """Buckets of `width_s` seconds: `slots` of them, the newest AHEAD_S ahead of the clock. For one thread."""

    def __init__(self, width_s: int, slots: int, columns: int) -> None:
        self.width_s: Final = width_s
        self.slots: Final = slots
        self._data: Ints = np.zeros((slots, _FIRST_ROWS, columns), np.int64)
        self._numbers: Ints = np.full(slots, _NEVER, np.int64)
        """The bucket in each slot: epoch seconds divided by the width."""
        self.expired = 0
        """Records that were in buckets which have left the ring."""
        self.outside = 0
        """Records that came too late for the ring, or were too far ahead of the clock."""

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self._data.nbytes

    def oldest(self, now_s: float) -> int:
        """The number of the oldest bucket of the ring."""
        return self._newest(now_s) - self.slots + 1

    def _newest(self, now_s: float) -> int:
        return int(now_s + AHEAD_S) // self.width_s

    def add(self, now_s: float, event_s: Ints, rows: Ints, cells: Sequence[tuple[Ints | int, Ints | int]]) -> None:
        """Counts records: `event_s` and `rows` are `[records]`; each cell is a column and what is added to it.

        The first cell is the count of records.
        """
        numbers = event_s // self.width_s
        inside = (numbers >= self.oldest(now_s)) & (numbers <= self._newest(now_s))
        self.outside += int(len(numbers) - inside.sum())
        if not inside.all():
            numbers, rows = numbers[inside], rows[inside]
            cells = [(_of(column, inside), _of(amount, inside)) for column, amount in cells]
        if not len(numbers):
            return
        self._grow(int(rows.max()) + 1)
        slots = numbers % self.slots
        for number in np.unique(numbers).tolist():
            self._open(number)
        for column, amount in cells:
            np.add.at(self._data, (slots, rows, np.asarray(column)), amount)

    def _open(self, number: int) -> None:
        """Empties the slot of a bucket if an older one has it: within the ring's time no newer one can."""
        slot = number % self.slots
        if self._numbers[slot] != number:
            self.expired += int(self._data[slot, :, 0].sum())
            self._data[slot] = 0
            self._numbers[slot] = number

    def _grow(self, rows: int) -> None:
        slots, have, columns = self._data.shape
        if rows > have:
            more = np.zeros((slots, max(rows, 2 * have) - have, columns), np.int64)
            self._data = np.concatenate([self._data, more], axis=1)

    def expire(self, now_s: float) -> None:
        """Empties buckets that time alone has moved out of the ring."""
        for slot in np.flatnonzero((self._numbers < self.oldest(now_s)) & (self._numbers != _NEVER)):
            self.expired += int(self._data[slot, :, 0].sum())
            self._data[slot] = 0
            self._numbers[slot] = _NEVER

    def read(self, first: int, count: int) -> Ints:
        """A copy of `count` buckets from the number `first` on, `[count, rows, columns]`; zeros where none is."""
        wanted = np.arange(first, first + count)
        slots = wanted % self.slots
        found: Ints = self._data[slots]
        found[self._numbers[slots] != wanted] = 0
        return found

    def first_filled(self) -> int | None:
        """The number of the oldest bucket that holds a record."""
        filled = self._numbers[(self._data[:, :, 0].sum(axis=1) > 0) & (self._numbers != _NEVER)]
        return int(filled.min()) if len(filled) else None

    def kept(self) -> int:
        """Records in all buckets."""
        return int(self._data[:, :, 0].sum())

    def move(self, row: int, into: int) -> None:
        """Adds a row to another one in every bucket, and empties it."""
        self._grow(max(row, into) + 1)
        self._data[:, into] += self._data[:, row]
        self._data[:, row] = 0


def _of(values: Ints | int, inside: NDArray[np.bool_]) -> Ints | int:
    return values if isinstance(values, int) else values[inside]
