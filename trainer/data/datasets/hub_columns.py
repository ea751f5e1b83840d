"""From a split of the `datasets` library to columns of Python values, with labels by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import datasets

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns

UNLABELLED: Final = -1
"""What the hub's data sets have in place of a label that is kept secret, mostly in the split `test`."""


def read_split(rows: Any, names: ColumnNames, where: str) -> Columns:
    """The columns to read, one value per row, and the names of all others without values; raises InputDataError.

    A label is None if it is missing or UNLABELLED. Without names, -1 is a label like any other, as in ratings from
    -1 to 1, unless no row has another.
    """
    wanted = [name for name in rows.column_names if name in names.all()]
    columns: Columns = {name: [] for name in rows.column_names}
    if wanted:
        table = rows.select_columns(wanted).with_format("arrow")[:]
        columns |= {name: table.column(name).to_pylist() for name in wanted}
    if labels := columns.get(names.label):
        columns[names.label] = _labels(labels, rows.features[names.label], where)
    return columns


def _labels(values: Sequence[Any], feature: Any, where: str) -> list[Any]:
    named = isinstance(feature, datasets.ClassLabel)
    found = [_named(value, feature.names, where) for value in values] if named else list(values)
    if all(label in (None, UNLABELLED) for label in found):
        raise InputDataError(
            f"{where} has no labels ({len(found)} rows); the hub often holds them back for a test: choose another "
            "with --split, or another column with --label-column"
        )
    return found


def _named(value: int | None, names: Sequence[str], where: str) -> str | None:
    if value is None or value == UNLABELLED:
        return None
    if not 0 <= value < len(names):
        raise InputDataError(f"{where}: label {value} has no name; named are 0 to {len(names) - 1}")
    return names[value]
