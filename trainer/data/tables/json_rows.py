"""Reads JSON: one object a line, objects one after another over any lines, an array, or an object that holds one.

All is read as a stream, except for an object that holds the rows under one of its fields.
"""

from __future__ import annotations

import codecs
import io
import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pydantic_core import from_json

from shared.errors import InputDataError
from shared.formats.path import describe, listed, quoted
from trainer.data.tables.encoding import by_mark, look_at
from trainer.data.tables.options import MAX_JSON_BYTES, MAX_LINE_BYTES
from trainer.data.tables.source import looks_utf16
from trainer.data.tables.table import Columns, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from trainer.data.tables.options import ReadOptions
    from trainer.data.tables.table import Piece

_BATCH_ROWS: Final = 1_024
"""Objects of the Twitter API are of 5 kB each, and most of it is in memory until the batch is mapped."""
_CHUNK_CHARS: Final = 1 << 20
_WHITE: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


def read_json(where: str, pieces: Sequence[Piece], wanted: Sequence[str], options: ReadOptions) -> Table:
    """The table of one or several files of JSON; raises InputDataError."""
    names: dict[str, None] = {}
    found: dict[str, None] = {}
    streams = []
    for piece in pieces:
        rows, read_as = _rows(piece, wanted, options, alone=len(pieces) == 1)
        found[read_as] = None
        streams.append(_columns(rows, piece, names, wanted))
    batches = chain.from_iterable(streams)
    first = next(batches, None)
    if first is None:
        raise InputDataError(f"{where} holds no rows")
    return Table(names, chain([first], batches), "; ".join(found))


def _columns(
    rows: Iterator[dict[str, Any]], piece: Piece, names: dict[str, None], wanted: Sequence[str]
) -> Iterator[Columns]:
    names.update(dict.fromkeys(piece.values))
    roots = set(wanted)
    given = {name: value for name, value in piece.values.items() if name in roots}
    first = True
    while batch := list(islice(rows, _BATCH_ROWS)):
        # The names of the first rows are enough for an error; of the later ones only those that are wanted count.
        found = set().union(*batch) if first else {root for root in roots if any(root in row for row in batch)}
        names.update(dict.fromkeys(name for row in (batch if first else ()) for name in row))
        names.update(dict.fromkeys(found & roots))
        first = False
        columns: Columns = {name: [value] * len(batch) for name, value in given.items()}
        columns |= {root: [row.get(root) for row in batch] for root in roots & found}
        # A batch without any wanted column still has its rows.
        yield columns or {"": [None] * len(batch)}


def _rows(
    piece: Piece, wanted: Sequence[str], options: ReadOptions, *, alone: bool
) -> tuple[Iterator[dict[str, Any]], str]:
    head = piece.source.head()
    encoding = by_mark(head) or looks_utf16(head) or "utf-8"
    name = "UTF-8"
    if options.encoding is not None:
        facts = look_at(piece.source, options.encoding)
        encoding, name = facts.encoding, facts.name
    elif encoding != "utf-8":
        name = {"utf-8-sig": "UTF-8 with a byte order mark"}.get(encoding, encoding.upper())
    text = head.decode(encoding, errors="ignore").lstrip(_WHITE)
    if text.startswith("["):
        return _objects(_values(piece, encoding, array=True)), f"JSON, an array, {name}"
    first, _, rest = text.partition("\n")
    # A single line may be an object that holds the rows.
    if rest.strip() and _is_object(first):
        return _json_lines(piece, encoding), f"JSON Lines, {name}"
    return _documents(piece, encoding, wanted, name, alone=alone)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _json_lines(piece: Piece, encoding: str) -> Iterator[dict[str, Any]]:
    where = piece.source.path
    with piece.source.open() as file:
        for number, line in enumerate(_lines(file, encoding, str(where)), 1):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
            try:
                row = from_json(line, cache_strings="keys")
            except ValueError:
                if not line.strip():
                    continue
                row = _again(line, f"{where} line {number}")
            if type(row) is not dict:
                raise InputDataError(f"{where} line {number}: {describe(row)}, not an object")
            yield row


def _lines(file: BinaryIO, encoding: str, where: str) -> Iterator[bytes]:
    if encoding not in {"utf-8", "utf-8-sig"}:
        yield from (
            line.encode("utf-8", "surrogatepass") for line in io.TextIOWrapper(file, encoding, newline="\n")
        )
        return
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise InputDataError(
                f"{where}: a line of more than {MAX_LINE_BYTES >> 20} MiB; write one object a line"
            )
        yield line


def _again(line: bytes, where: str) -> Any:
    """Reads what the fast parser refuses and the json module does not, such as a lone surrogate."""
    try:
        return json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        raise InputDataError(f"{where}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise InputDataError(
            f"{where}: not UTF-8 (byte {error.start + 1} of the line); say which encoding it is with --encoding"
        ) from None
    except (RecursionError, ValueError):
        raise InputDataError(f"{where}: JSON that is nested too deeply, or a number of too many digits") from None


class _Text:
    """A window of a text, with the line and the column of its first character."""

    def __init__(self, file: io.TextIOBase, where: str) -> None:
        self._file, self._where = file, where
        self.text, self.at, self.ended = "", 0, False
        self._line, self._column = 1, 1

    def more(self) -> bool:
        """Drops what is read and adds what follows; False at the end."""
        if self.ended:
            return False
        left = len(self.text) - self.at
        if left > MAX_JSON_BYTES:
            raise InputDataError(
                f"{self.place(self.at)}: one JSON value of more than {MAX_JSON_BYTES >> 20} MiB; "
                "write one object a line"
            )
        added = self._file.read(max(_CHUNK_CHARS, left))  # doubled: a value is tried again each time
        if not added:
            self.ended = True
            return False
        self._pass(self.at)
        self.text, self.at = self.text[self.at :] + added, 0
        return True

    def _pass(self, end: int) -> None:
        breaks = self.text.count("\n", 0, end)
        self._line += breaks
        self._column = end - self.text.rfind("\n", 0, end) if breaks else self._column + end

    def place(self, offset: int = 0) -> str:
        """Where a character of the window is."""
        breaks = self.text.count("\n", 0, offset)
        column = offset - self.text.rfind("\n", 0, offset) if breaks else self._column + offset
        return f"{self._where} line {self._line + breaks}, column {column}"

    def skip(self, characters: str) -> str:
        """Skips characters; returns the next one, empty at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in characters:
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""

    def value(self) -> Any:
        """Reads the value that begins here."""
        while True:
            try:
                found, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.more():
                    continue
                raise InputDataError(f"{self.place(error.pos)}: not JSON: {error.msg}") from None
            except RecursionError:
                raise InputDataError(f"{self.place(self.at)}: JSON that is nested too deeply") from None
            if end < len(self.text) or not self.more():  # a number may go on behind the window
                self.at = end
                return found


def _values(piece: Piece, encoding: str, *, array: bool) -> Iterator[tuple[str, Any]]:
    """The values of a file, or of its outer array, with their places."""
    with piece.source.open() as file, io.TextIOWrapper(file, encoding) as decoded:
        text = _Text(decoded, str(piece.source.path))
        try:
            text.skip(_WHITE)
            if array:
                text.at += 1
            while following := text.skip(_WHITE):
                if array and following == "]":
                    return
                place = text.place(text.at)
                yield place, text.value()
                if array and text.skip(_WHITE) not in (",", "]"):
                    raise InputDataError(f"{text.place(text.at)}: not JSON: expected , or ] behind an element")
                text.skip(_WHITE + "," if array else _WHITE)
        except UnicodeDecodeError:
            raise InputDataError(f"{text.place()} or later: not {encoding}; choose with --encoding") from None
        if array:
            raise InputDataError(f"{text.place(len(text.text))}: not JSON: the array does not end")


def _objects(values: Iterable[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    for place, value in values:
        if type(value) is not dict:
            raise InputDataError(f"{place}: {describe(value)}, not an object")
        yield value


def _documents(
    piece: Piece, encoding: str, wanted: Sequence[str], name: str, *, alone: bool
) -> tuple[Iterator[dict[str, Any]], str]:
    """Objects over many lines each; a single one without wanted fields may hold the rows."""
    values = _values(piece, encoding, array=False)
    first = next(values)
    second = next(values, None)
    tree = first[1]
    if second is None and type(tree) is dict:
        _check_rows(piece, tree, wanted)
    arrays = []
    if alone and second is None and type(tree) is dict and not any(root in tree for root in wanted):
        arrays = [key for key, value in tree.items() if type(value) is list and value and type(value[0]) is dict]
    if not arrays:
        return _objects(chain([first], [] if second is None else [second], values)), f"JSON, {name}"
    if len(arrays) > 1:
        raise InputDataError(
            f"{piece.source.path} holds arrays of objects at {listed(arrays)}; write one of them to a file"
        )
    place = f"{piece.source.path}, {quoted(arrays[0])}"
    rows = ((f"{place}.{index}", value) for index, value in enumerate(tree[arrays[0]]))
    return _objects(rows), f"JSON, the array at {quoted(arrays[0])}, {name}"


def _check_rows(piece: Piece, tree: dict[str, Any], wanted: Sequence[str]) -> None:
    """Refuses an object of columns, of which each value is an object by row number."""
    columns = [tree[root] for root in wanted if type(tree.get(root)) is dict]
    if columns and all(next(iter(column), "") == "0" for column in columns):
        raise InputDataError(
            f"{piece.source.path} holds columns, as pandas writes them; write rows: "
            "to_json(orient='records', lines=True)"
        )
