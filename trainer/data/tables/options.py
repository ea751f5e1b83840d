"""What a user may say about a file where the guess is wrong, and the limits of reading."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError

if TYPE_CHECKING:
    from trainer.settings import DataFormat, Header, TrainerSettings

BATCH_ROWS: Final = 8_192
"""Rows of a batch of CSV or Parquet."""
MAX_FIELD_CHARS: Final = 10_000_000
"""Longest field of a CSV file; the default of the csv module is 131,072."""
MAX_LINE_BYTES: Final = 64 << 20
"""Longest line of a text file. Longer ones are files of another kind, or quotes that never close."""
MAX_JSON_BYTES: Final = 512 << 20
"""Longest JSON value that is not an element of an outer array."""
DOUBLED: Final = "double"
QUOTED: Final = "quoted:"
"""Begins an `escape` that holds within quotes only."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a file; what is None or auto is guessed."""

    data_format: DataFormat = "auto"
    encoding: str | None = None
    delimiter: str | None = None
    """One character, or one with a space behind it, which is then left out of each field."""
    quote: str | None = None
    """One character; the empty string: no character quotes."""
    escape: str | None = None
    """`double`, one character, or one behind `quoted:`."""
    header: Header = "auto"
    columns: tuple[str, ...] = ()


GUESSED: Final = ReadOptions()


def read_options(settings: TrainerSettings) -> ReadOptions:
    """The options from the settings; raises SettingsError."""
    delimiter, quote, escape = settings.delimiter, settings.quote, settings.escape
    if delimiter is not None:
        delimiter = {"tab": "\t", r"\t": "\t", "comma": ",", "space": " "}.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1 and not (len(delimiter) == 2 and delimiter[1] == " "):  # noqa: PLR2004
            raise SettingsError("trainer.delimiter: one character, such as ';', or the word tab")
        if delimiter[0] in '\r\n"':
            raise SettingsError("trainer.delimiter: neither a quote nor a line break separates fields")
    if quote is not None:
        quote = "" if quote.lower() == "none" else quote
        if len(quote) > 1:
            raise SettingsError("trainer.quote: one character, or the word none")
    if escape is not None and escape != DOUBLED and len(escape.removeprefix(QUOTED)) != 1:
        raise SettingsError(f"trainer.escape: {DOUBLED}, one character such as \\, or {QUOTED} and one character")
    return ReadOptions(
        data_format=settings.data_format,
        encoding=settings.encoding,
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        header=settings.header,
        columns=_column_names(settings.columns),
    )


def _column_names(spec: str | None) -> tuple[str, ...]:
    if spec is None:
        return ()
    names = tuple(name.strip() for name in next(csv.reader([spec]), ()))
    if not any(names):
        raise SettingsError("trainer.columns: names with commas between them, such as id,text,label")
    named = [name for name in names if name]
    if len(set(named)) != len(named):
        raise SettingsError("trainer.columns: a name occurs twice; leave a column without a name to skip it")
    return names
