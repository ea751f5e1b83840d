"""Sums of a selection by label: one table for all that the page computes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dashboard.views.selection import Selection, Stretch
    from dashboard.window.level import Ints
    from dashboard.window.sums import Kind, Sums


@dataclass(frozen=True, slots=True)
class Table:
    """Sums over one stretch of time."""

    kinds: tuple[Kind, ...]
    """By row."""
    data: Ints
    """`[buckets, rows, columns]`; only rows that the selection asks for."""

    def rows(self) -> Ints:
        """Over all buckets, `[rows, columns]`."""
        found: Ints = self.data.sum(axis=0)
        return found

    def grouped(self, key: Callable[[Kind], str]) -> dict[str, Table]:
        """A table for each value of `key`."""
        values: dict[str, list[int]] = {}
        for row, kind in enumerate(self.kinds):
            values.setdefault(key(kind), []).append(row)
        return {
            value: Table(tuple(self.kinds[row] for row in rows), self.data[:, rows])
            for value, rows in values.items()
        }

    def by_label(self, column: int = 0) -> dict[str, int]:
        """A column's sum for each label."""
        found: dict[str, int] = {}
        for kind, row in zip(self.kinds, self.rows(), strict=True):
            found[kind.label] = found.get(kind.label, 0) + int(row[column])
        return found

    def series(self, column: int = 0) -> dict[str, Ints]:
        """A column for each label, each `[buckets]`."""
        found: dict[str, Ints] = {}
        for row, kind in enumerate(self.kinds):
            own = self.data[:, row, column]
            found[kind.label] = found[kind.label] + own if kind.label in found else own.copy()
        return found


def table(sums: Sums, stretch: Stretch, selection: Selection) -> Table:
    """The sums of a selection's rows: its filters by input topic, model and group, but not that by label."""
    kinds = sums.rows.keys
    rows = list(_chosen(kinds, selection))
    # The tables have fewer rows than keys only while nothing was counted.
    data = sums.levels[stretch.level].read(stretch.first, stretch.buckets)
    rows = [row for row in rows if row < data.shape[1]]
    return Table(tuple(kinds[row] for row in rows), np.ascontiguousarray(data[:, rows]))


def _chosen(kinds: list[Kind], selection: Selection) -> Iterator[int]:
    for row, kind in enumerate(kinds):
        if (
            selection.topic in {"", kind.topic}
            and selection.model in {"", kind.model}
            and selection.group in {"", kind.group}
        ):
            yield row
