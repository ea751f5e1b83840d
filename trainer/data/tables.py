"""Reads CSV, JSONL and Parquet files into columns of Python values, the same for every format."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Columns = dict[str, list[Any]]

_CSV_FIELD_CHARS: Final = 10_000_000  # the default limit of the csv module is 131,072


def read_columns(path: Path, wanted: set[str]) -> Columns:
    """The wanted columns that the file has, one value per row; other columns may be included, full or empty.

    A folder is read as one table of all its Parquet files. Raises InputDataError.
    """
    try:
        if path.is_dir() or path.suffix == ".parquet":
            return _read_parquet(path, wanted)
        if path.suffix == ".csv":
            return _from_rows(_csv_rows(path), path)
        if path.suffix in {".jsonl", ".ndjson"}:
            return _from_rows(_jsonl_rows(path), path)
    except OSError as error:
        raise InputDataError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError as error:
        raise InputDataError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    raise InputDataError(f"{path} is neither .csv, .jsonl, .parquet nor a folder of Parquet files")


def _read_parquet(path: Path, wanted: set[str]) -> Columns:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InputDataError(f"the folder {path} holds no .parquet file")
    try:
        present = pq.read_schema(files[0]).names
        kept = [name for name in present if name in wanted]
        # Promoted: a column without any value in one file has the type null there.
        table = pa.concat_tables([pq.read_table(file, columns=kept) for file in files], promote_options="default")
    except pa.ArrowException as error:
        raise InputDataError(f"{path} is not a readable Parquet file ({type(error).__name__})") from None
    columns: Columns = {name: table.column(name).to_pylist() for name in kept}
    # Only the names, so that an error can list the columns of the file.
    return columns | {name: [] for name in present if name not in wanted}


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_CSV_FIELD_CHARS)
    # -sig: spreadsheets write a byte order mark, which would become part of the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True, restkey="")
        try:
            for row in reader:
                # DictReader puts surplus fields under `restkey` and None for missing ones, without an error.
                if "" in row or None in row.values():
                    raise InputDataError(
                        f"{path} line {reader.line_num}: not {len(reader.fieldnames or ())} fields as in the "
                        "header; quote fields that hold commas or line breaks"
                    )
                yield {name: value or None for name, value in row.items()}
        except csv.Error as error:
            raise InputDataError(f"{path} line {reader.line_num}: not valid CSV ({error})") from None


def _jsonl_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputDataError(f"{path} line {number}: not JSON ({error.msg} at {error.colno})") from None
            if not isinstance(row, dict):
                raise InputDataError(f"{path} line {number}: a JSON {type(row).__name__}, not an object")
            yield row


def _from_rows(rows: Iterator[dict[str, Any]], path: Path) -> Columns:
    columns: Columns = {}
    count = 0
    for row in rows:
        for name in row.keys() - columns.keys():
            columns[name] = [None] * count
        for name, values in columns.items():
            values.append(row.get(name))
        count += 1
    if not count:
        raise InputDataError(f"{path} holds no rows")
    return columns
