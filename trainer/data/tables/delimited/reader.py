"""Reads CSV files as one table: the names of its columns, and every value as it is written."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError
from shared.formats.path import listed
from trainer.data.tables.delimited.faults import fault
from trainer.data.tables.delimited.header import example, has_wanted, looks_like_a_header
from trainer.data.tables.delimited.sniff import sniff
from trainer.data.tables.encoding import look_at, open_text
from trainer.data.tables.table import Columns, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.data.tables.delimited.dialect import Dialect
    from trainer.data.tables.delimited.sniff import Trial
    from trainer.data.tables.encoding import Facts
    from trainer.data.tables.options import ReadOptions
    from trainer.data.tables.source import Source
    from trainer.data.tables.table import Piece

_SEP: Final = "sep="


@dataclass(frozen=True, slots=True)
class Part:
    """One CSV file, with what the first pass over it found."""

    source: Source
    facts: Facts
    skipped: int
    """Lines before the table: Excel's `sep=` line."""
    values: dict[str, str | None]
    """Columns that the folder's name gives."""

    @contextmanager
    def lines(self, newline: str) -> Iterator[Iterator[str]]:
        """The lines of the file, without those skipped."""
        with open_text(self.source, self.facts.encoding, newline) as text:
            for _ in range(self.skipped):
                next(text, None)
            yield text


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of the table."""

    dialect: Dialect
    width: int
    names: tuple[str, ...]
    """Empty for a column without a name, which is left out."""
    header: bool
    names_from_header: bool


def read_csv(
    where: str, pieces: Sequence[Piece], wanted: Sequence[str], guesses: Sequence[str], options: ReadOptions
) -> Table:
    """The table of one or several files of one layout; raises InputDataError.

    It has the `wanted` columns; `guesses` are the names that show that a row is the header.
    """
    parts = []
    for piece in pieces:
        part, delimiter = _part(piece, options)
        parts.append(part)
        if delimiter and options.delimiter is None:
            options = replace(options, delimiter=delimiter)
    marks = frozenset().union(*(part.facts.marks for part in parts))
    try:
        trial = sniff(parts, marks, guesses, options)
    except InputDataError as error:
        raise InputDataError(f"{where} {error}") from None
    if not trial.first and not trial.failed:
        raise InputDataError(f"{where} holds no rows")
    layout = _layout(where, parts, trial, guesses, options)
    encodings = ", ".join(dict.fromkeys(part.facts.name for part in parts))
    names = dict.fromkeys(name for name in (*layout.names, *parts[0].values) if name)
    return Table(
        names,
        _batches(parts, layout, wanted),
        f"CSV, {layout.dialect}, {encodings}, {'header' if layout.header else 'no header'}{_unnamed(layout)}",
    )


def _unnamed(layout: _Layout) -> str:
    """Says what is left out, unless --columns did."""
    unnamed = layout.names.count("") if layout.names_from_header else 0
    return f", {unnamed} column{'s' * (unnamed > 1)} without a name left out" if unnamed else ""


def _part(piece: Piece, options: ReadOptions) -> tuple[Part, str | None]:
    """A part, and the delimiter that its `sep=` line names."""
    part = Part(piece.source, look_at(piece.source, options.encoding), 0, piece.values)
    with part.lines("") as lines:
        first = next(lines, "").strip("\r\n").strip('"')
    if first.lower().startswith(_SEP) and len(first) == len(_SEP) + 1:
        return replace(part, skipped=1), first[-1]
    return part, None


def _layout(
    where: str, parts: Sequence[Part], trial: Trial, wanted: Sequence[str], options: ReadOptions
) -> _Layout:
    first, columns, rows = trial.first, options.columns, trial.head[1:]
    named = not columns and (options.header == "yes" or looks_like_a_header(first, rows, wanted))
    if columns:
        if options.header == "auto" and has_wanted(first, wanted):
            raise InputDataError(
                f"{where}: the first row has one of the names of columns, so it seems to be a header; leave out "
                "--columns, or say --header yes (it is replaced by --columns) or --header no"
            )
        return _checked(
            where, parts, trial, _Layout(trial.dialect, len(columns), columns, options.header == "yes", False)
        )
    if trial.failed and not first:
        raise fault(parts[0], trial.dialect, trial.width, "the first row")
    if trial.width == 1 and not named:
        raise InputDataError(
            f"{where} seems to hold one text a line; give their labels with --labels, or say "
            "--delimiter and --columns if it is a table"
        )
    if options.header == "no" or not named:
        seems = "has no header, as --header says" if options.header == "no" else "seems to have no header"
        raise InputDataError(
            f"{where} {seems} ({trial.width} columns, delimiter {trial.dialect}); name its columns in order, "
            f"such as --columns {example(trial.width, wanted)}, or say --header yes"
        )
    names = tuple(cell.strip() for cell in first)
    repeated = {name for name in names if name and names.count(name) > 1}
    if repeated:
        raise InputDataError(
            f"{where}: the header has {listed(sorted(repeated))} more than once; name the columns with --columns "
            "and say --header yes"
        )
    return _checked(where, parts, trial, _Layout(trial.dialect, len(first), names, True, True))


def _checked(where: str, parts: Sequence[Part], trial: Trial, layout: _Layout) -> _Layout:
    if trial.width and layout.width != trial.width:
        raise InputDataError(
            f"{where} line {parts[0].skipped + 1}: {trial.width} fields, not {layout.width} as --columns says; "
            "choose the delimiter with --delimiter"
        )
    return layout


def _batches(parts: Sequence[Part], layout: _Layout, wanted: Sequence[str]) -> Iterator[Columns]:
    indices = {name: index for index, name in enumerate(layout.names) if name and name in wanted}
    for part in parts:
        given = {name: value for name, value in part.values.items() if name in wanted and name not in layout.names}
        first = layout.header
        for rows in _rows(part, layout):
            body = rows[1:] if first else rows
            if first and layout.names_from_header and [cell.strip() for cell in rows[0]] != [*layout.names]:
                raise InputDataError(
                    f"{part.source.path}: its header is not that of {parts[0].source.path}; the parts of a folder "
                    "have the same columns in the same order"
                )
            first = False
            if body:
                found: dict[str, list[Any]] = {
                    name: [row[index] or None for row in body] for name, index in indices.items()
                }
                found |= {name: [value] * len(body) for name, value in given.items()}
                yield found or {"": [None] * len(body)}  # its rows count all the same


def _rows(part: Part, layout: _Layout) -> Iterator[list[list[str]]]:
    of = "the header" if layout.header else "the first row"
    with part.lines(layout.dialect.opens_with) as lines:
        batches = layout.dialect.batches(lines)
        while True:
            try:
                rows = next(batches, None)
            except csv.Error:
                raise fault(part, layout.dialect, layout.width, of) from None
            if rows is None:
                return
            if rows and set(map(len, rows)) != {layout.width}:
                raise fault(part, layout.dialect, layout.width, of)
            yield rows
