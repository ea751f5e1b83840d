"""Tells a header from a row of values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_MAX_CHARS: Final = 40
_MAX_WORDS: Final = 3
# A letter or an underscore first; no punctuation of sentences, no @ or address of the web.
_NAME: Final = re.compile(r"[^\W\d](?:[\w .:()/%#-]*[\w)%#])?")
# A row of short values could pass for a header, and an error that lists the columns would quote them: one cell has
# to have one of these words.
_USUAL: Final = frozenset(
    """
    text texts tweet tweets review reviews sentence comment comments content body message post title
    summary document headline description label labels sentiment polarity target class category rating
    ratings star stars score emotion id ids key index user username author name date time timestamp created lang
    language source url split
    """.split()  # noqa: SIM905 - read as a text
)
_OPTIONAL: Final = ("id", "created_at", "label_name", "labels", "source")


def looks_like_a_header(first: Sequence[str], rows: Sequence[Sequence[str]], wanted: Collection[str]) -> bool:
    """Whether the first row names the columns; it does where it has one of the wanted names.

    Otherwise each cell has to look like a name, to be in no other row of its column, as labels are, and one has to
    be a usual name. Rows that pass are refused for their columns, never read.
    """
    if has_wanted(first, wanted):
        return True
    cells = [cell.strip() for cell in first]
    named = [cell for cell in cells if cell]
    if len({cell.casefold() for cell in named}) < len(named) or not all(map(_is_name, named)):
        return False
    if len(cells) == 1 or not any(_USUAL.intersection(_words(cell)) for cell in named):
        return False
    columns = [{row[column] for row in rows if column < len(row)} for column in range(len(first))]
    return not any(cell and cell in values for cell, values in zip(first, columns, strict=True))


def has_wanted(first: Sequence[str], wanted: Collection[str]) -> bool:
    """Whether one of the cells is one of the wanted names."""
    return bool({name.casefold() for name in wanted}.intersection(cell.strip().casefold() for cell in first))


def example(width: int, wanted: Collection[str]) -> str:
    """Names for that number of columns, to show how --columns is written."""
    needed = sorted((name for name in wanted if "," not in name), key=lambda name: (name in _OPTIONAL, name))
    others = [f"other{number}" for number in range(1, width + 1)]
    return ",".join([*needed, *others][:width])


def _is_name(cell: str) -> bool:
    return len(cell) <= _MAX_CHARS and len(cell.split()) <= _MAX_WORDS and _NAME.fullmatch(cell) is not None


def _words(cell: str) -> set[str]:
    """The words of a name: review_text, reviewText and "Review Text" have the same."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cell)
    return {cell.casefold(), *re.split(r"[\W_]+", spaced.casefold())}
