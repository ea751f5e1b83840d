"""The ids of the rows of a data set: labels are joined by them, and a model folder lists its parts by them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.labels.left_out import LeftOut

_NAMED: Final = 3
"""Maximum rows that an error lists."""


def ids_of(values: list[Any] | None, source: str, rows: int) -> list[str]:
    """One id a row; without one, the name of the data and the number of the row."""
    if not values:
        return [f"{source}-{row + 1}" for row in range(rows)]
    return [f"{source}-{row + 1}" if value is None else str(value) for row, value in enumerate(values)]


def distinct(ids: Sequence[str], rows: Sequence[int]) -> tuple[list[str], int]:
    """The ids of these rows, each of them once, and how many were repeated: a repeated one gets a number.

    The parts of a model are lists of ids, and must name one row each.
    """
    taken: set[str] = set()
    found: list[str] = []
    repeated = 0
    times: Counter[str] = Counter()
    for row in rows:
        name = ids[row]
        while name in taken:
            times[ids[row]] += 1
            name = f"{ids[row]}#{times[ids[row]] + 1}"
        repeated += name != ids[row]
        taken.add(name)
        found.append(name)
    return found, repeated


def refuse_ambiguous(ids: Sequence[str], texts: Sequence[str | LeftOut], where: str) -> None:
    """Raises InputDataError if an id has several texts: a label that is joined by id would be given to each."""
    text_of: dict[str, str] = {}
    wrong = [
        row
        for row, (key, text) in enumerate(zip(ids, texts, strict=True), 1)
        if isinstance(text, str) and text_of.setdefault(key, text) != text
    ]
    if wrong:
        raise InputDataError(
            f"{where}: {len(wrong):,} rows (such as {', '.join(map(str, wrong[:_NAMED]))}) have the id of an "
            "earlier row and another text, so a label that is joined by id fits one of them only; make the ids "
            "unique, or choose another column with --id-column"
        )
