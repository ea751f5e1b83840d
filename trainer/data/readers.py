"""Reads labelled texts from a file of any supported format, and checks them.

`checked_examples` does the same for columns from elsewhere, such as those of a data set of the hub. Each row is an
example or is counted by the reason why not. An error names the file, the column and a few rows by number or id,
never a text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog

from shared.errors import InputDataError
from trainer.data.examples import UNKNOWN_SOURCE, DataReport, Examples
from trainer.data.exports import COLUMNS, further_columns, plain
from trainer.data.ids import distinct, ids_of, refuse_ambiguous
from trainer.data.labels.class_names import class_names
from trainer.data.labels.column import LabelColumn
from trainer.data.labels.left_out import NO_LABEL, NO_PART, NO_TEXT, TIE, LeftOut, of_kind
from trainer.data.labels.order import ordered
from trainer.data.labels.rules import NO_RULES
from trainer.data.labels.votes import merge
from trainer.data.parts import parts_of
from trainer.data.tables import GUESSED, Columns, ReadOptions, read_columns, read_options, read_pair
from trainer.data.times import column_ms, tied

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data.examples import IntArray
    from trainer.data.labels.rules import LabelRules
    from trainer.settings import TrainerSettings

_LABELS: Final = "labels"
_SHOWN: Final = 20
"""Maximum columns that an error lists."""
_NAMED: Final = 3
"""Maximum rows, ids or names that an error lists."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The columns to read, and how; `label_name`, if present, has the names for the numbers of `label`."""

    text: str = "text"
    label: str = "label"
    label_name: str = "label_name"
    id: str = "id"
    time: str = "created_at"
    source: str = "source"
    part: str | None = None
    """Column with the part of a row; None: the parts are cut here."""
    options: ReadOptions = GUESSED
    """How to read the file of the texts; a file of labels is always guessed."""

    def all(self) -> set[str]:
        """All columns to read if they are present."""
        further = {self.part} if self.part else set()
        return {self.text, self.label, _LABELS, self.label_name, self.id, self.time, self.source} | further

    def found_in(self, columns: Columns) -> ColumnNames:
        """The names for these columns: without a column `label`, a column `labels` has the labels."""
        if self.label != DEFAULT_COLUMNS.label or self.label in columns or not columns.get(_LABELS):
            return self
        return replace(self, label=_LABELS)


DEFAULT_COLUMNS: Final = ColumnNames()


def column_names(settings: TrainerSettings) -> ColumnNames:
    """The names of the columns to read, from the settings."""
    return ColumnNames(
        text=settings.text_column,
        label=settings.label_column,
        id=settings.id_column,
        time=settings.time_column,
        source=settings.source_column,
        part=settings.split_column,
        options=read_options(settings),
    )


def read_examples(
    data: Path, names: ColumnNames = DEFAULT_COLUMNS, labels: Path | None = None, rules: LabelRules = NO_RULES
) -> Examples:
    """Reads and checks a data set; raises InputDataError.

    With `labels`, a file of ids and labels, each row gets the label of its id. The report of the examples, and one
    log line, count the rows that are left out by reason.
    """
    pair = read_pair(data, labels, names.options) if labels else None
    if pair:
        names, labels = replace(names, text=DEFAULT_COLUMNS.text, label=DEFAULT_COLUMNS.label), None
    columns = pair or _read(data, names, names.options)
    known = None if pair else class_names(data, names.found_in(columns).label)
    joined = _LabelFile.read(labels, names, rules) if labels else None
    return checked_examples(
        columns, names, where=str(data), source=data.stem, rules=rules, known=known, joined=joined
    )


def read_texts(data: Path, names: ColumnNames = DEFAULT_COLUMNS) -> tuple[str, ...]:
    """The texts of a file, whatever labels it has; the log counts rows without one. Raises InputDataError."""
    columns = read_columns(data, {names.text}, names.options)
    texts = [_text(value) for value in _require(columns, names.text, str(data), "--text-column")]
    left_out = Counter(text.reason for text in texts if isinstance(text, LeftOut))
    usable = tuple(text for text in texts if isinstance(text, str))
    log.info("texts_read", data=str(data), rows=len(texts), usable=len(usable), left_out=dict(left_out))
    return usable


def checked_examples(
    columns: Columns,
    names: ColumnNames,
    *,
    where: str,
    source: str,
    rules: LabelRules = NO_RULES,
    known: Sequence[str] | None = None,
    joined: _LabelFile | None = None,
) -> Examples:
    """Checks columns as `read_examples` does; raises InputDataError.

    Errors call the data `where`. `source` becomes the source of the examples, and begins the ids of rows that have
    none. `known` has the names of the numbers of the labels.
    """
    columns, tool = plain(columns, names, where)
    names = names.found_in(columns)
    texts = [_text(value) for value in _require(columns, names.text, where, "--text-column")]
    ids = ids_of(columns.get(names.id), source, len(texts))
    if joined:
        refuse_ambiguous(ids, texts, where)
    found = joined.labels_of(ids) if joined else _labels(columns, names, LabelColumn(where, rules, known), where)
    if columns.get(names.id):
        found = merge(found, list(zip(ids, texts, strict=True)))
    parts = parts_of(_require(columns, names.part, where, "--split-column"), where) if names.part else None
    if parts:
        found = [
            NO_PART if part is None and isinstance(label, str) else label
            for part, label in zip(parts, found, strict=True)
        ]
    usable = [row for row, text in enumerate(texts) if isinstance(text, str) and isinstance(found[row], str)]
    left_out = Counter(
        one.reason
        for text, label in zip(texts, found, strict=True)
        if isinstance(one := label if isinstance(text, str) else text, LeftOut)
    )
    ids, repeated = distinct(ids, usable)
    log.info(
        "data_read",
        data=where,
        export=tool,
        rows=len(texts),
        usable=len(usable),
        left_out=dict(left_out),
        repeated_ids=repeated,
    )
    chosen = [str(found[row]) for row in usable]
    label_names = ordered(chosen, joined.where if joined else where, left_out)
    number_of = {name: number for number, name in enumerate(label_names)}
    times, time_fault = _times(columns.get(names.time), names.time, usable)
    return Examples(
        texts=tuple(str(texts[row]) for row in usable),
        labels=np.array([number_of[label] for label in chosen], dtype=np.int64),
        label_names=label_names,
        ids=tuple(ids),
        source=source,
        created_at=times,
        sources=_sources(columns.get(names.source), usable),
        parts=tuple(str(parts[row]) for row in usable) if parts else None,
        report=DataReport(
            rows=len(texts),
            left_out=dict(left_out),
            tool=tool,
            time_fault=time_fault,
            repeated_ids=repeated,
            tied_times=tied(times),
        ),
    )


def _read(path: Path, names: ColumnNames, options: ReadOptions) -> Columns:
    columns = read_columns(path, names.all(), options, further=COLUMNS)
    further = further_columns(columns, names)
    if not further:
        return columns
    read = read_columns(path, further, options)
    return columns | {name: read[name] for name in further}


def _require(columns: Columns, name: str, where: str, flag: str) -> list[Any]:
    if name not in columns:
        names = sorted(columns)
        found = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        raise InputDataError(
            f"{where} has no column {name!r}; columns found: {found or 'none'}; choose with {flag}"
        )
    if not columns[name]:
        raise InputDataError(f"{where} holds no rows")
    return columns[name]


def _text(value: Any) -> str | LeftOut:
    if isinstance(value, str):
        return value if value and not value.isspace() else NO_TEXT
    return NO_TEXT if value is None else of_kind("text", value)


def _labels(columns: Columns, names: ColumnNames, reader: LabelColumn, where: str) -> list[str | LeftOut]:
    """One entry per row. If `label_name` is present, it must have one name for each number of `label`."""
    if names.label not in columns and names.label_name in columns:
        return reader.read(columns[names.label_name])
    values = _require(columns, names.label, where, "--label-column")
    # `label_name` has names for the default column only; another column was chosen for its own values.
    if not columns.get(names.label_name) or names.label != DEFAULT_COLUMNS.label:
        return reader.read(values)
    given = columns[names.label_name]
    named: dict[str, set[str]] = defaultdict(set)
    for label, name in set(zip(map(str, values), map(str, given), strict=True)):
        named[label].add(name)
    for label, several in named.items():
        if len(several) > 1:
            raise InputDataError(
                f"{where}: {names.label} {label!r} is named in {len(several)} ways by {names.label_name}: "
                f"{', '.join(sorted(map(repr, several))[:_NAMED])}"
            )
    return reader.read(given)


@dataclass(frozen=True, slots=True)
class _LabelFile:
    """A separate file of ids and labels."""

    where: str
    label_of: dict[str, str | LeftOut]

    @classmethod
    def read(cls, path: Path, names: ColumnNames, rules: LabelRules) -> _LabelFile:
        """Reads the file; where an id has several labels, the majority counts."""
        where = str(path)
        columns, _ = plain(_read(path, names, GUESSED), names, where)
        names = names.found_in(columns)
        ids = [str(value) for value in _require(columns, names.id, where, "--id-column")]
        reader = LabelColumn(where, rules, class_names(path, names.label))
        label_of: dict[str, str | LeftOut] = {}
        for key, label in zip(ids, merge(_labels(columns, names, reader, where), ids), strict=True):
            if isinstance(label, str) or label is TIE:  # one row of an id has this at most
                label_of[key] = label
            else:
                label_of.setdefault(key, label)
        return cls(where, label_of)

    def labels_of(self, ids: Sequence[str]) -> list[str | LeftOut]:
        """The label of each row; raises InputDataError if no id is in the data."""
        unused = len(self.label_of.keys() - set(ids))
        if unused == len(self.label_of):
            raise InputDataError(f"no id of {self.where} occurs in the data; compare the id columns of both")
        log.info("labels_joined", file=self.where, labels=len(self.label_of), without_row=unused)
        return [self.label_of.get(key, NO_LABEL) for key in ids]


def _sources(values: list[Any] | None, rows: list[int]) -> tuple[str, ...] | None:
    """Where the rows come from; None without a column of names, such as results, whose `source` is a record."""
    if not values or not all(value is None or isinstance(value, str | int) for value in values):
        return None
    return tuple(UNKNOWN_SOURCE if values[row] in {None, ""} else str(values[row]) for row in rows)


def _times(values: list[Any] | None, column: str, rows: list[int]) -> tuple[IntArray | None, str | None]:
    """The times of the rows, or None and why, if there is a column of times."""
    if not values or all(value is None for value in values):
        return None, None
    times, unread = column_ms([values[row] for row in rows])
    if unread:
        shown = ", ".join(str(rows[index] + 1) for index in unread[:_NAMED])
        return None, (
            f"{column} of {len(unread):,} rows (such as {shown}) is no time that can be read; write "
            "2020-01-31T10:00:00Z or seconds since 1970, or choose another column with --time-column"
        )
    if None in times:
        return None, f"{times.count(None):,} rows have no {column}; choose another column with --time-column"
    return np.array(times, dtype=np.int64), None
