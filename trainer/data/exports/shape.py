"""What the modules of the labelling tools share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns


@dataclass(frozen=True, slots=True)
class Data:
    """Columns as they were read, some without values."""

    columns: Columns
    names: ColumnNames
    """What the user asked for."""
    where: str
    """What errors call the data."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A labelling tool, and how its exports are read."""

    name: str
    columns: frozenset[str]
    """Columns whose values tell its exports from other data."""
    plain: Callable[[Data], Columns | None]
    """Plain columns of an export; None for other data. Raises InputDataError."""
    further_columns: Callable[[set[str], ColumnNames], set[str]] | None = None
    """Of the columns of the data, those to read that have names which the project chose."""


def bare(name: str) -> str:
    """The name of a column without the back-ticks that a dot in it needs."""
    return name[1:-1].replace("``", "`") if name[:1] == "`" else name


def tree(value: Any) -> Any:
    """The value, or what it holds as JSON if it is a string such as a column of a CSV or a Parquet file has."""
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing of other values."""
    found = tree(value)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def answer_name(found: Iterable[str], data: Data, what: str) -> str:
    """The name of what annotators answered: the wanted label, else the only one; raises InputDataError."""
    return _only(found, data.names.label, f"{data.where}: {what}", "--label-column")


def text_field(rows: Sequence[Any], data: Data) -> str:
    """The field of the objects that holds the text: the wanted one, else the only one with strings."""
    wanted = bare(data.names.text.rpartition(".")[2])  # data.text is the way to it from the root
    objects_ = [row for row in rows if isinstance(row, dict)]
    found = {name for row in objects_ for name, value in row.items() if isinstance(value, str)}
    return _only(found, wanted, f"{data.where}: fields with texts", "--text-column")


def _only(found: Iterable[str], wanted: str, what: str, flag: str) -> str:
    names = sorted(set(found))
    if wanted in names:
        return wanted
    if len(names) == 1:
        return names[0]
    raise InputDataError(f"{what}: {', '.join(names[:10]) or 'none'}; choose with {flag}")
