"""Which row of the tables a kind of record has: bounded, so that names from outside cannot take all memory."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=tuple[str, ...])

REST: Final = "(rest)"
"""Stands for all values that have no row of their own."""


class Rows(Generic[K]):
    """Row numbers by key. Once `limit` rows are given out, a new key shares the row of its `general` key."""

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self.keys: list[K] = []
        """By row."""
        self._rows: dict[K, int] = {}

    def row(self, key: K, general: K, last: K) -> int:
        """The row of a key, else of `general`, else of `last`: two rows are kept free for each of them at need."""
        row = self._rows.get(key)
        if row is not None:
            return row
        # An eighth of the rows is for general keys: a flood of values must not take that of a label.
        for candidate, limit in ((key, self._limit - self._limit // 8), (general, self._limit - 1)):
            row = self._rows.get(candidate)
            if row is not None:
                return row
            if len(self.keys) < limit:
                return self._new(candidate)
        row = self._rows.get(last)
        return self._new(last) if row is None else row

    def _new(self, key: K) -> int:
        self._rows[key] = len(self.keys)
        self.keys.append(key)
        return self._rows[key]
