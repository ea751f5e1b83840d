"""Exports of labelling tools, recognised by their columns: Label Studio, doccano, Prodigy and Argilla.

A module for each tool turns the export into plain columns: a text, an id, and a label whose value may be a list,
`Votes` of several annotators, or the reason why the row is left out. What a tool calls `created_at` is the time of
an annotation and not of the text, so it is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.exports.argilla import ARGILLA
from trainer.data.exports.doccano import DOCCANO
from trainer.data.exports.label_studio import LABEL_STUDIO
from trainer.data.exports.prodigy import PRODIGY
from trainer.data.exports.shape import Data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns

TOOLS: Final = (LABEL_STUDIO, ARGILLA, PRODIGY, DOCCANO)

COLUMNS: Final[frozenset[str]] = frozenset[str]().union(*(tool.columns for tool in TOOLS))
"""Columns whose values tell an export from other data; read them if they are there."""


def further_columns(present: Iterable[str], names: ColumnNames) -> set[str]:
    """Columns of an export with names that the project chose; they have to be read too."""
    found = set(present)
    return {name for tool in TOOLS if tool.further_columns for name in tool.further_columns(found, names)}


def plain(columns: Columns, names: ColumnNames, where: str) -> tuple[Columns, str | None]:
    """The columns with those of an export made plain, and the name of the tool, or None for other data.

    Raises InputDataError for an export that cannot be read, saying what to choose or how to export.
    """
    data = Data(columns, names, where)
    for tool in TOOLS:
        found = tool.plain(data)
        if found is not None:
            return columns | found, tool.name
    return columns, None
