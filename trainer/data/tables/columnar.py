"""Reads Parquet: one file, or parts whose columns and types may differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import InputDataError
from trainer.data.tables.options import BATCH_ROWS
from trainer.data.tables.table import Columns, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.data.tables.table import Piece


def read_parquet(pieces: Sequence[Piece], wanted: Sequence[str]) -> Table:
    """The table of one or several files: a column that a part lacks is empty there; raises InputDataError."""
    names: dict[str, None] = {}
    for piece in pieces:
        schema = _schema(piece.source.path)
        names |= dict.fromkeys([*schema.names, *piece.values])
    parts = f", {len(pieces)} files" if len(pieces) > 1 else ""
    return Table(names, _batches(pieces, wanted), f"Parquet{parts}")


def _batches(pieces: Sequence[Piece], wanted: Sequence[str]) -> Iterator[Columns]:
    for piece in pieces:
        path = piece.source.path
        try:
            with pq.ParquetFile(path) as file:
                kept = [name for name in file.schema_arrow.names if name in wanted]
                given = {
                    name: value for name, value in piece.values.items() if name in wanted and name not in kept
                }
                for batch in file.iter_batches(BATCH_ROWS, columns=kept):
                    # Values, not Arrow types: a part may have numbers where another has strings.
                    columns = {name: batch.column(name).to_pylist() for name in kept}
                    columns |= {name: [value] * len(batch) for name, value in given.items()}
                    yield columns or {"": [None] * len(batch)}  # its rows count all the same
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from None


def _schema(path: Path) -> Any:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputDataError:
    return InputDataError(f"{path} is not a readable Parquet file ({type(error).__name__})")
