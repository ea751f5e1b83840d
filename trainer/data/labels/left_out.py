"""The reasons for which a row is not used; each row of a data set is an example or is counted by one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LeftOut:
    """In place of a text or a label: why the row is left out. Reads on after a number of rows."""

    reason: str


NO_TEXT: Final = LeftOut("without a text")
NO_LABEL: Final = LeftOut("without a label")
NO_PART: Final = LeftOut("without a part in the split column")
SEVERAL: Final = LeftOut("with several labels")
TIE: Final = LeftOut("with annotators who disagree")
MERGED: Final = LeftOut("merged with another row of the same id and text")
SPANS: Final = LeftOut("with labels for parts of the text only")
SKIPPED: Final = LeftOut("skipped by the annotators")


def marked(label: str) -> LeftOut:
    """For a row whose label is a word that programs write where there is no value."""
    return LeftOut(f"with the label {label}, which means none")


def ignored(label: str) -> LeftOut:
    """For a row with a label that the user leaves out."""
    return LeftOut(f"with the label {label}, by --ignore-label")


def of_kind(what: str, value: object) -> LeftOut:
    """For a row whose text or label is of a type that is not read."""
    return LeftOut(f"with a {what} that is {_kind(value)}")


def _kind(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case bytes():
            return "bytes"
    return f"a {type(value).__name__}"
