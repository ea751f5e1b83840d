"""What every reader takes and gives: parts of a table, and batches of its values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.data.tables.source import Source

Columns = dict[str, list[Any]]
"""Values by the name of the column, one per row."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file that holds rows of a table."""

    source: Source
    values: dict[str, str | None] = field(default_factory=dict)
    """Columns whose value the names of the folders give: label=neg/part-0.parquet."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is read while it is asked for batches."""

    names: dict[str, None]
    """Names of the columns, in order; a reader of JSON adds those that it meets."""
    batches: Iterator[Columns]
    """Each has the wanted columns that its rows have."""
    read_as: str
    """What was found or guessed, such as `CSV, ';', ISO 8859-1, no header`."""
