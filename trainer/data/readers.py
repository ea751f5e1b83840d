"""Reads labelled texts from a file of any supported format, and checks them.

`checked_examples` does the same for columns from elsewhere, such as those of a data set of the hub.
An error names the file, the column and a few rows by number or id, never a text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog

from shared.errors import InputDataError
from trainer.data.examples import SENTIMENTS, Examples
from trainer.data.tables import GUESSED, Columns, ReadOptions, read_columns, read_options, read_pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data.examples import IntArray
    from trainer.settings import TrainerSettings

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
    options: ReadOptions = GUESSED
    """How to read the file of the texts; a file of labels is always guessed."""

    def all(self) -> set[str]:
        """All columns to read if they are present."""
        return {self.text, self.label, self.label_name, self.id, self.time}


DEFAULT_COLUMNS: Final = ColumnNames()


def column_names(settings: TrainerSettings) -> ColumnNames:
    """The names of the columns to read, from the settings."""
    return ColumnNames(
        text=settings.text_column,
        label=settings.label_column,
        id=settings.id_column,
        time=settings.time_column,
        options=read_options(settings),
    )


def read_examples(data: Path, names: ColumnNames = DEFAULT_COLUMNS, labels: Path | None = None) -> Examples:
    """Reads and checks a data set; raises InputDataError.

    With `labels`, a file of ids and labels, each row gets the label of its id. Rows without a label or
    without a text are left out and counted in one log line.
    """
    pair = read_pair(data, labels, names.options) if labels else None
    if pair:
        names, labels = replace(names, text="text", label="label"), None
    columns = pair or read_columns(data, names.all(), names.options)
    return checked_examples(columns, names, where=str(data), source=data.stem, labels=labels)


def checked_examples(
    columns: Columns, names: ColumnNames, *, where: str, source: str, labels: Path | None = None
) -> Examples:
    """Checks columns as `read_examples` does; raises InputDataError.

    Errors call the data `where`. `source` becomes the source of the examples, and begins the ids of rows that have
    none.
    """
    texts = _texts(_require(columns, names.text, where, "--text-column"), where)
    ids = _ids(columns.get(names.id), source, len(texts))
    found = _joined(labels, names, ids) if labels else _label_names(columns, names, where)
    usable = [row for row, text in enumerate(texts) if text and found[row] is not None]
    log.info(
        "data_read",
        data=where,
        rows=len(texts),
        usable=len(usable),
        without_text=sum(not text for text in texts),
        without_label=sum(label is None for label in found),
    )
    chosen = [str(found[row]) for row in usable]
    label_names = _ordered(chosen, str(labels or where))
    times = _times(columns.get(names.time), where)
    return Examples(
        texts=tuple(str(texts[row]) for row in usable),
        labels=np.array([label_names.index(label) for label in chosen], dtype=np.int64),
        label_names=label_names,
        ids=tuple(ids[row] for row in usable),
        source=source,
        created_at=_complete(times, usable),
    )


def _require(columns: Columns, name: str, where: str, flag: str) -> list[Any]:
    if name not in columns:
        raise InputDataError(
            f"{where} has no column {name!r}; columns found: {', '.join(sorted(columns)) or 'none'}; "
            f"choose with {flag}"
        )
    if not columns[name]:
        raise InputDataError(f"{where} holds no rows")
    return columns[name]


def _texts(values: list[Any], where: str) -> list[str | None]:
    wrong = [row for row, value in enumerate(values) if not isinstance(value, str | None)]
    if wrong:
        kind = type(values[wrong[0]]).__name__
        raise InputDataError(
            f"{where}: the text of row {wrong[0] + 1} is of type {kind}, not text ({len(wrong)} such rows)"
        )
    return [value if value and not value.isspace() else None for value in values]


def _ids(values: list[Any] | None, source: str, rows: int) -> list[str]:
    if not values:
        return [f"{source}-{row + 1}" for row in range(rows)]
    return [f"{source}-{row + 1}" if value is None else str(value) for row, value in enumerate(values)]


def _label_names(columns: Columns, names: ColumnNames, where: str) -> list[str | None]:
    """One name per row. If `label_name` is present, it must have one name for each number of `label`."""
    if names.label not in columns and names.label_name in columns:
        return [_label(value, where) for value in columns[names.label_name]]
    labels = [_label(value, where) for value in _require(columns, names.label, where, "--label-column")]
    # `label_name` has names for the default column only; another column was chosen for its own values.
    if names.label_name not in columns or names.label != DEFAULT_COLUMNS.label:
        return labels
    given = [_label(value, where) for value in columns[names.label_name]]
    named: dict[str | None, set[str | None]] = defaultdict(set)
    for label, name in zip(labels, given, strict=True):
        named[label].add(name)
    for label, several in named.items():
        if len(several) > 1:
            raise InputDataError(
                f"{where}: {names.label} {label!r} is named in {len(several)} ways by {names.label_name}: "
                f"{', '.join(sorted(map(repr, several))[:_NAMED])}"
            )
    return given


def _label(value: Any, where: str) -> str | None:
    if value is None or (isinstance(value, float) and value.is_integer()):
        return None if value is None else str(int(value))  # 1.0: a column of numbers with gaps
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputDataError(f"{where}: a label is {type(value).__name__}; labels are strings or integers")
    return str(value).strip() or None


def _joined(path: Path, names: ColumnNames, ids: Sequence[str]) -> list[str | None]:
    """The label of each of the given ids, from a separate file; None if the file has no label for it."""
    columns = read_columns(path, names.all())
    keys = [str(value) for value in _require(columns, names.id, str(path), "--id-column")]
    label_of: dict[str, str] = {}
    conflicts = Counter[str]()
    for key, label in zip(keys, _label_names(columns, names, str(path)), strict=True):
        if label is not None and label_of.setdefault(key, label) != label:
            conflicts[key] += 1
    if conflicts:
        raise InputDataError(
            f"{path}: {len(conflicts)} ids are labelled in two ways, such as "
            f"{', '.join(sorted(conflicts)[:_NAMED])}; keep one label per id"
        )
    unused = len(label_of.keys() - set(ids))
    if unused == len(label_of):
        raise InputDataError(f"no id of {path} occurs in the data; compare the {names.id!r} columns of both")
    log.info("labels_joined", file=path.name, labels=len(label_of), without_row=unused)
    return [label_of.get(key) for key in ids]


def _ordered(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """The label names in the model's order; raises InputDataError for two spellings of a label, or no label."""
    counts = Counter(labels)
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        spellings[name.casefold()].append(name)
    # Two spellings would be trained as two labels (AutoTrain #71).
    for several in spellings.values():
        if len(several) > 1:
            raise InputDataError(
                f"{where}: one label in several spellings: {', '.join(f'{n!r} ({counts[n]})' for n in several)}"
            )
    if not counts:
        raise InputDataError(f"{where}: no row has both a text and a label")
    if counts.keys() <= set(SENTIMENTS):
        return tuple(name for name in SENTIMENTS if name in counts)
    numbers = all(name.lstrip("-").isdecimal() for name in counts)
    return tuple(sorted(counts, key=int if numbers else str))


def _times(values: list[Any] | None, where: str) -> list[int | None]:
    return [] if not values else [epoch_ms(value, f"{where} row {row}") for row, value in enumerate(values, 1)]


def epoch_ms(value: Any, where: str) -> int | None:
    """Epoch milliseconds of a datetime, an RFC 3339 string or epoch milliseconds; a naive time is UTC."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputDataError(f"{where}: the time is neither RFC 3339 nor epoch milliseconds") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _complete(times: list[int | None], rows: list[int]) -> IntArray | None:
    chosen = [times[row] for row in rows] if times else []
    return None if not chosen or None in chosen else np.array(chosen, dtype=np.int64)
