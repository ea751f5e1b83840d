r"""One dialect of CSV, and rows of text by it.

The csv module parses. Two things that it cannot read are rewritten line by line: a backslash that escapes within
quotes only, as DuckDB and Spark write, and a lone carriage return in a field without quotes, as pandas writes.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from trainer.data.tables.options import BATCH_ROWS, DOUBLED, MAX_FIELD_CHARS, QUOTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Takes the place of a lone carriage return; decoded text cannot hold a lone surrogate.
_RETURN: Final = "\ud80d"
_NAMES: Final = {"\t": "tab", "\x01": r"\x01"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How rows and fields are written."""

    delimiter: str = ","
    quote: str = '"'
    """The empty string: no character quotes."""
    escape: str = DOUBLED
    """As in ReadOptions."""
    newline: str = "\n"
    """How a line ends: a carriage return that ends none is part of a field."""
    keeps_returns: bool = False
    """Whether a lone carriage return has to be kept."""

    def __str__(self) -> str:
        """What a person would set."""
        shown = _NAMES.get(self.delimiter, f"'{self.delimiter}'")
        quote = "" if self.quote == '"' else f", quote {self.quote or 'none'}"
        escape = "" if self.escape == DOUBLED else f", escape {self.escape}"
        return f"{shown}{quote}{escape}"

    @property
    def opens_with(self) -> str:
        """The `newline` to open a file with."""
        return "\n" if self.newline == "\n" else ""

    def reader(self, lines: Iterable[str], *, exact: bool = False) -> Any:
        """A reader of the csv module, strict; `exact`: an escape that escapes nothing special is an error."""
        csv.field_size_limit(MAX_FIELD_CHARS)
        if self.keeps_returns:
            lines = self._without_returns(lines)
        escape: str | None = None
        if self.escape.startswith(QUOTED):
            lines = self._doubled(lines, exact=exact)
        elif self.escape != DOUBLED:
            escape = self.escape
            lines = self._exact(lines) if exact else lines
        return csv.reader(
            lines,
            strict=True,
            delimiter=self.delimiter[0],
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=escape,
            skipinitialspace=len(self.delimiter) > 1,
        )

    def batches(self, lines: Iterable[str], *, exact: bool = False) -> Iterator[list[list[str]]]:
        """Rows in batches, without blank lines; raises csv.Error."""
        reader = self.reader(lines, exact=exact)
        while batch := list(islice(reader, BATCH_ROWS)):
            if [] in batch:
                batch = [row for row in batch if row]
            yield list(map(_with_returns, batch)) if self.keeps_returns else batch

    def _without_returns(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if "\r" not in line:
                yield line
            elif self.quote and line.endswith(f"{self.quote}\r\n"):
                yield line[:-2].replace("\r", _RETURN) + "\r\n"  # a closing quote ends the field
            else:
                yield line.replace("\r", _RETURN)

    def _exact(self, lines: Iterable[str]) -> Iterator[str]:
        escape, special = re.escape(self.escape), re.escape(self.escape + self.quote + self.delimiter[0])
        pattern = re.compile(rf"(?:[^{escape}]|{escape}[{special}\r\n])*")
        for line in lines:
            if self.escape in line and not pattern.fullmatch(line):
                raise csv.Error("an escape of an ordinary character")
            yield line

    def _doubled(self, lines: Iterable[str], *, exact: bool) -> Iterator[str]:
        """The same rows with doubled quotes, from rows whose escapes hold within quotes only."""
        mark = self.escape.removeprefix(QUOTED)
        escape, quote = re.escape(mark), re.escape(self.quote)
        token = re.compile(f"({escape}[{escape}{quote}]?|{quote})")
        written = {mark + self.quote: self.quote * 2, mark * 2: mark}
        inside = False
        for line in lines:
            # Escapes mean nothing outside of quotes, and quotes that close in their line leave the state as it is.
            if not inside and (self.quote not in line or (mark not in line and line.count(self.quote) % 2 == 0)):
                yield line
                continue
            pieces = token.split(line)
            for index in range(1, len(pieces), 2):
                piece = pieces[index]
                if piece == self.quote:
                    if not inside:
                        self._check_opening(pieces, index)
                    inside = not inside
                elif inside and piece == mark and exact:
                    raise csv.Error("an escape of an ordinary character")
                elif inside:
                    pieces[index] = written.get(piece, piece)
                elif piece.endswith(self.quote):
                    raise csv.Error("a quote within a field without quotes")
            yield "".join(pieces)

    def _check_opening(self, pieces: list[str], index: int) -> None:
        before = pieces[index - 1]
        if before:
            opens = before.rstrip(" " if len(self.delimiter) > 1 else "").endswith(self.delimiter[0])
        else:
            opens = index == 1 or pieces[index - 2].endswith(self.quote)
        if not opens:
            raise csv.Error("a quote within a field without quotes")


def _with_returns(row: list[str]) -> list[str]:
    return [field.replace(_RETURN, "\r") for field in row] if _RETURN in "".join(row) else row
