"""Reads files as people have them into columns of Python values, the same for every format.

CSV in any dialect and JSON in any layout, compressed or not, Parquet, folders of these, and folders of text files.
What no option says is guessed from the content, never from the name alone. The guess is logged (`read_as`). One
that cannot be right is an error with line and column, never with a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from shared.errors import BadRecord, InputDataError
from shared.formats.path import Absent, Selector, parse_selector, quoted
from trainer.data.tables.columnar import read_parquet
from trainer.data.tables.delimited.reader import read_csv
from trainer.data.tables.folders import are_texts_by_class, files_of, is_text_of_class, kind_of, pieces_of
from trainer.data.tables.json_rows import read_json
from trainer.data.tables.options import GUESSED, ReadOptions, read_options
from trainer.data.tables.table import Columns, Table
from trainer.data.tables.text_files import read_class_folders, read_fasttext, read_pair

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

__all__ = [
    "GUESSED",
    "Columns",
    "ReadOptions",
    "columns_of",
    "read_batches",
    "read_columns",
    "read_options",
    "read_pair",
    "select_columns",
]

log = structlog.get_logger()


def read_columns(
    path: Path, wanted: Collection[str], options: ReadOptions = GUESSED, *, further: Collection[str] = ()
) -> Columns:
    """The wanted columns that the file has, one value per row, and the names of all others with empty lists.

    A wanted column is written in the language of `shared.formats.path`, so it may lead into objects and have
    choices; its values are under the name as it is given. Other names are quoted as one would write them. A value
    that a row lacks is None. `further` columns are read where they are, but say nothing about a guess: only a
    wanted name shows that a row of CSV is its header. Raises InputDataError.
    """
    selectors = {spec: parse_selector(spec) for spec in dict.fromkeys((*wanted, *further))}
    table = open_table(path, [selectors[spec] for spec in wanted], options, list(selectors.values()))
    reasons: dict[str, str] = {}
    columns: Columns = {}
    rows = 0
    for batch in table.batches:
        size = len(next(iter(batch.values())))
        for spec, values in _selected(batch, selectors, reasons):
            columns.setdefault(spec, [None] * rows).extend(values)
        rows += size
        for values in columns.values():
            values.extend([None] * (rows - len(values)))
    if not rows:
        raise InputDataError(f"{path} holds no rows")
    for spec, reason in reasons.items():
        if spec not in columns:
            raise InputDataError(f"{path}: no row has {spec}: {reason}; choose another column")
    return columns | {quoted(name): [] for name in table.names if name and quoted(name) not in columns}


def read_batches(path: Path, wanted: Collection[str], options: ReadOptions = GUESSED) -> Iterator[Columns]:
    """The wanted columns batch by batch, for what does not fit in memory.

    A column that a batch lacks is full of None there.
    """
    selectors = {spec: parse_selector(spec) for spec in wanted}
    for batch in open_table(path, selectors.values(), options, selectors.values()).batches:
        size = len(next(iter(batch.values())))
        found = dict(_selected(batch, selectors, {}))
        yield {spec: found.get(spec, [None] * size) for spec in selectors}


def select_columns(columns: Columns, wanted: Collection[str]) -> Columns:
    """The wanted columns, written in the language of `read_columns`, of what another library has read."""
    return dict(_selected(columns, {spec: parse_selector(spec) for spec in wanted}, {}))


def columns_of(wanted: Collection[str]) -> list[str]:
    """The names of the columns that are needed for the wanted ones."""
    return _names([parse_selector(spec) for spec in wanted])


def open_table(
    path: Path, wanted: Collection[Selector], options: ReadOptions, every: Collection[Selector]
) -> Table:
    """Finds out what the file is, logs it, and begins to read it; raises InputDataError.

    The table has the columns of `every` selector; those of `wanted` help to guess.
    """
    table = _open(path, _names(every), _names(wanted), options)
    log.info("read_as", data=str(path), read_as=table.read_as)
    return table


def _names(selectors: Collection[Selector]) -> list[str]:
    return list(dict.fromkeys(name for selector in selectors for name in selector.columns))


def _open(path: Path, wanted: list[str], guesses: list[str], options: ReadOptions) -> Table:
    if path.is_dir() and options.data_format in {"auto", "text-files"}:
        files = files_of(path)
        if options.data_format == "text-files" or are_texts_by_class(path, files):
            texts = [file for file in files if is_text_of_class(path, file)]
            if len(texts) < len(files):
                log.info("files_left_out", data=str(path), files=len(files) - len(texts))
            return read_class_folders(path, texts, options)
    pieces = pieces_of(path)
    if not pieces:
        raise InputDataError(f"the folder {path} holds no file with data")
    where = str(path)
    match kind_of(pieces, where) if options.data_format == "auto" else options.data_format:
        case "parquet":
            return read_parquet(pieces, wanted)
        case "json":
            return read_json(where, pieces, wanted, options)
        case "fasttext":
            return read_fasttext(where, pieces, options)
        case _:
            return read_csv(where, pieces, wanted, guesses, options)


def _selected(
    batch: Columns, selectors: dict[str, Selector], reasons: dict[str, str]
) -> Iterator[tuple[str, list[Any]]]:
    """The values of each selector that the batch has; reasons why a nested one has none."""
    for spec, selector in selectors.items():
        if selector.column is not None:
            if selector.column in batch:
                yield spec, batch[selector.column]
            continue
        roots = [name for name in selector.columns if name in batch]
        if not roots:
            continue
        trees = [dict(zip(roots, row, strict=True)) for row in zip(*(batch[root] for root in roots), strict=True)]
        values = [_value(selector, tree, spec, reasons) for tree in trees]
        if any(value is not None for value in values):
            yield spec, values


def _value(selector: Selector, tree: dict[str, Any], spec: str, reasons: dict[str, str]) -> Any:
    try:
        if any(len(choice) > 1 for choice in selector.choices):
            return selector.text(tree)
        for (path,) in selector.choices:
            value = path.find(tree)
            if isinstance(value, Absent):
                reasons.setdefault(spec, f"{value.at or 'the row'} is {value.found}")
            elif value is not None and not (isinstance(value, str) and not value.strip()):
                return value
    except BadRecord as reason:
        reasons.setdefault(spec, str(reason))
    return None
