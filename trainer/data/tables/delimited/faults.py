"""Finds where a CSV file breaks the rules of its dialect, and says so without quoting it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.tables.options import DOUBLED, MAX_FIELD_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.data.tables.delimited.dialect import Dialect
    from trainer.data.tables.delimited.reader import Part

_HINT: Final = "; where quotes are part of texts say --quote none, for other dialects --delimiter or --escape"


def fault(part: Part, dialect: Dialect, width: int, of: str) -> InputDataError:
    """An error for the first row that cannot be read, or that has not `width` fields as `of` has."""
    with part.lines(dialect.opens_with) as lines:
        raw: list[str] = []
        reader = dialect.reader(_kept(lines, raw))
        while True:
            start = reader.line_num + part.skipped + 1
            raw.clear()
            try:
                row = next(reader, None)
            except csv.Error as error:
                return _broken(part, dialect, "".join(raw), start, str(error))
            if row is None:
                return InputDataError(f"{part.source.path} changed while it was read")
            if row and len(row) != width:
                line, column = _place(raw, start, _beginnings(dialect, "".join(raw)), width)
                return InputDataError(
                    f"{part.source.path} line {line}, column {column}: not {width} fields as in {of} but "
                    f"{len(row)}; quote fields that hold the delimiter or line breaks{_HINT}"
                )


def _kept(lines: Iterator[str], raw: list[str]) -> Iterator[str]:
    for line in lines:
        raw.append(line)
        yield line


def _broken(part: Part, dialect: Dialect, row: str, start: int, error: str) -> InputDataError:
    begun, closed = _quotes(dialect, row)
    offset = begun if closed is None else closed
    line = start + row.count("\n", 0, offset)
    column = offset - row.rfind("\n", 0, offset)
    if "larger" in error:
        why = f"a field of more than {MAX_FIELD_CHARS:,} characters begins here; does its quote close"
    elif closed is None:
        why = "the quote that opens here does not close"
    else:
        why = "a quote closes a field here, but no delimiter follows; double the quotes within fields"
    return InputDataError(f"{part.source.path} line {line}, column {column}: not valid CSV: {why}{_HINT}")


def _place(raw: list[str], start: int, beginnings: list[int], width: int) -> tuple[int, int]:
    """Line and column of the first field too many, or of the end of a row that is too short."""
    row = "".join(raw)
    offset = beginnings[width] if len(beginnings) > width else len(row.rstrip("\r\n"))
    return start + row.count("\n", 0, offset), offset - row.rfind("\n", 0, offset)


def _beginnings(dialect: Dialect, row: str) -> list[int]:
    """Offsets of the fields of a row."""
    found, index = [0], 0
    while index < len(row):
        if dialect.quote and row[index] == dialect.quote and index == found[-1]:
            index = _end_of_quoted(dialect, row, index)
        elif row[index] == dialect.delimiter[0]:
            index += len(dialect.delimiter) if row.startswith(dialect.delimiter, index) else 1
            found.append(index)
        else:
            index += 2 if row[index] == dialect.escape else 1
    return found


def _quotes(dialect: Dialect, row: str) -> tuple[int, int | None]:
    """Offsets of the last quote that opens a field, and of the quote that closes it wrongly, if one does."""
    opened, index, at_start = 0, 0, True
    while index < len(row):
        if at_start and row[index] == dialect.quote:
            opened = index
            index = _end_of_quoted(dialect, row, index)
            if index >= len(row):
                return opened, None
            if row[index] not in (dialect.delimiter[0], "\n", "\r"):
                return opened, index - 1
        at_start = row[index] == dialect.delimiter[0]
        index += 2 if row[index] == dialect.escape else 1
        if at_start and len(dialect.delimiter) > 1 and row[index : index + 1] == " ":
            index += 1
    return opened, None


def _end_of_quoted(dialect: Dialect, row: str, index: int) -> int:
    """The offset behind the quote that closes the field whose quote is at `index`."""
    escape = "" if dialect.escape == DOUBLED else dialect.escape[-1]
    index += 1
    while index < len(row):
        if escape and row[index] == escape:
            index += 2
        elif row[index] != dialect.quote:
            index += 1
        elif row[index + 1 : index + 2] == dialect.quote:
            index += 2
        else:
            return index + 1
    return len(row)
