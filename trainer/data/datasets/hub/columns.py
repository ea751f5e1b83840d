"""From a split of the `datasets` library to columns of Python values, and the names of its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets

from shared.errors import InputDataError
from trainer.data.labels.column import HIDDEN
from trainer.data.tables import columns_of, select_columns

if TYPE_CHECKING:
    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns


@dataclass(frozen=True, slots=True)
class SplitColumns:
    """The columns of a split."""

    columns: Columns
    """The wanted ones with a value per row, and the names of all others without values."""
    class_names: tuple[str, ...] | None
    """The names of the numbers of the labels, if the data set has them."""


def read_split(rows: Any, names: ColumnNames, where: str) -> SplitColumns:
    """Reads the wanted columns; raises InputDataError if no row has a label.

    Without names, -1 is a label like any other, as in ratings from -1 to 1, unless no row has another.
    """
    needed = set(columns_of(names.all()))
    wanted = [name for name in rows.column_names if name in needed]
    columns: Columns = {name: [] for name in rows.column_names}
    if wanted:
        table = rows.select_columns(wanted).with_format("arrow")[:]
        columns |= select_columns({name: table.column(name).to_pylist() for name in wanted}, names.all())
    label = names.found_in(columns).label
    labels = columns.get(label)
    if labels and all(one is None or one == HIDDEN for one in labels):
        raise InputDataError(
            f"{where} has no labels ({len(labels)} rows); the hub often holds them back for a test: choose "
            "another with --split, or another column with --label-column"
        )
    return SplitColumns(columns, _class_names(rows.features.get(label)))


def _class_names(feature: Any) -> tuple[str, ...] | None:
    """The names of a ClassLabel, or of a list of them."""
    while not isinstance(feature, datasets.ClassLabel):
        if feature is None:
            return None
        feature = getattr(feature, "feature", None)
    return tuple(feature.names)
