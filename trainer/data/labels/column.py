"""Reads a label column: each value becomes the name of a label, or the reason why its row is left out.

A value is a string, a number, a boolean, a list of several labels, or `Votes`. What a distinct value becomes is
remembered: 1.6 million rows take 0.5 s.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError
from trainer.data.labels.left_out import (
    NO_LABEL,
    SEVERAL,
    SPANS,
    LeftOut,
    ignored,
    marked,
    of_kind,
)
from trainer.data.labels.rules import NO_RULES
from trainer.data.labels.spelling import MAX_CHARS, NOTHING, clean, is_name, number
from trainer.data.labels.votes import Votes, majority

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.data.labels.rules import LabelRules

HIDDEN: Final = -1
"""What data sets of the Hugging Face hub have in place of a label that is kept secret."""
_NAMED: Final = 3
"""Maximum rows or labels that an error lists."""
_LIST_CHARS: Final = 1_000
"""A longer string is not looked into for a list."""

_HASHED: Final = frozenset({str, int, float, bool, type(None)})
_PYTHON_STRING: Final = r"'[^'\\]*'|\"[^\"\\]*\""
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_PYTHON_STRING})(?:\s*,\s*(?:{_PYTHON_STRING}))*\s*\]")
_WRONG: Final = LeftOut("with a label that cannot be one")


class LabelColumn:
    """Turns values into labels by the user's rules, and remembers what each distinct value became."""

    def __init__(self, where: str, rules: LabelRules = NO_RULES, class_names: Sequence[str] | None = None) -> None:
        """Errors call the data `where`; `class_names` has the names of the numbers 0, 1, ... in their source."""
        self._where = where
        self._rules = rules
        self._class_names = class_names
        self._ignored = frozenset(map(clean, rules.ignored))
        self._known: dict[tuple[type, Any], str | LeftOut] = {}

    def read(self, values: Sequence[Any]) -> list[str | LeftOut]:
        """One entry for each value; raises InputDataError if values cannot be labels, or the map lacks them."""
        known = self._known
        found: list[str | LeftOut] = []
        for value in values:
            kind = type(value)  # in the key, since 1, 1.0 and True are equal
            if kind in _HASHED and value == value:  # noqa: PLR0124 - each NaN would be a key of its own
                label = known.get((kind, value))
                if label is None:
                    label = known[kind, value] = self._scalar(value)
                found.append(label)
            elif kind is list:
                found.append(self._remembered(value))
            else:
                found.append(self._any(value))
        if wrong := [row for row, label in enumerate(found, 1) if label is _WRONG]:
            raise InputDataError(
                f"{self._where}: the label of {_rows(wrong)} has a line end, a control character or more than "
                f"{MAX_CHARS} characters; is --label-column the column of the labels?"
            )
        self._refuse_unmapped(found)
        return found

    def _remembered(self, values: list[Any]) -> str | LeftOut:
        """As `_any`, for a list: 1.6M lists of one take 1 s instead of 20 s."""
        key = (list, (*map(type, values), *values))
        try:
            label = self._known.get(key)
        except TypeError:  # a list of lists or objects
            return self._any(values)
        if label is None:
            label = self._known[key] = self._any(values)
        return label

    def _any(self, value: Any) -> str | LeftOut:
        match value:
            case LeftOut():
                return value
            case Votes():
                return self._of_votes([self._any(vote) for vote in value])
            case list() | tuple():
                return self._of_list(value)
            case {"choices": list(choices)}:  # Label Studio's JSON_MIN, where several may be chosen
                return self._of_list(choices)
        return self._scalar(value)

    def _of_votes(self, found: Sequence[str | LeftOut]) -> str | LeftOut:
        labels = [label for label in found if isinstance(label, str)]
        return majority(labels) if labels else next(iter(found), NO_LABEL)

    def _of_list(self, values: Sequence[Any]) -> str | LeftOut:
        if any(isinstance(value, list | tuple | dict) for value in values):
            return SPANS
        found = [self._scalar(value) for value in values]
        if _WRONG in found:
            return _WRONG
        labels = [label for label in found if isinstance(label, str)]
        if len(set(labels)) < 2:  # noqa: PLR2004 - several
            return (labels or found or [NO_LABEL])[0]
        match self._rules.several:
            case "first":
                return labels[0]
            case "majority":
                return majority(labels)
        return SEVERAL

    def _scalar(self, value: Any) -> str | LeftOut:
        match value:
            case None:
                return NO_LABEL
            case bool():
                return self._named(str(value).lower())
            case int():
                return self._of_number(value)
            case float() | Decimal():
                return self._of_decimal(Decimal(repr(value) if isinstance(value, float) else value))
            case str():
                return self._of_text(value)
        return of_kind("label", value)

    def _of_decimal(self, value: Decimal) -> str | LeftOut:
        label = number(value)
        if label is None:
            return marked("nan") if value.is_nan() else of_kind("label", float(value))
        return self._of_number(int(label)) if label.lstrip("-").isdecimal() else self._named(label)

    def _of_number(self, number: int) -> str | LeftOut:
        names = self._class_names
        if names is None:
            return self._named(str(number))
        if number == HIDDEN:
            return LeftOut("with the label -1, which hides it in the source")
        if not 0 <= number < len(names):
            raise InputDataError(f"{self._where}: label {number} has no name; named are 0 to {len(names) - 1}")
        return self._named(str(number), names[number])

    def _of_text(self, text: str) -> str | LeftOut:
        label = clean(text)
        if label[:1] in {"[", "{"} and (several := _looked_into(label)) is not None:
            return self._any(several)
        if not label:
            return NO_LABEL
        if not is_name(label):
            return _WRONG
        if label in NOTHING and self._rules.label_map.find(label) is None:
            return marked(label)
        return self._named(label)

    def _named(self, label: str, name: str | None = None) -> str | LeftOut:
        """The label after the map; `name` is the name of a number in the source."""
        labels = [one for one in (label, name) if one is not None]
        mapped = next((new for one in labels if (new := self._rules.label_map.find(one)) is not None), labels[-1])
        for one in (*labels, mapped):
            if one in self._ignored:
                return ignored(one)
        return mapped

    def _refuse_unmapped(self, found: Iterable[str | LeftOut]) -> None:
        if not self._rules.label_map.bins:
            return
        counts = Counter(label for label in found if isinstance(label, str))
        named = {one.name for one in self._rules.label_map.bins} | {
            name for _, name in self._rules.label_map.names
        }
        lacking = [label for label in counts if label not in named and self._rules.label_map.lacks(label)]
        if lacking:
            shown = ", ".join(f"{label} ({counts[label]:,} rows)" for label in lacking[:_NAMED])
            raise InputDataError(
                f"{self._where}: --label-map has no part for the label {shown}"
                f"{' and more' if lacking[_NAMED:] else ''}; add one, or leave them out with --ignore-label "
                f"{','.join(lacking[:_NAMED])}"
            )


def _looked_into(label: str) -> Any:
    """The list, or the choices, that a string holds as JSON or as Python writes them; None if it holds neither."""
    if len(label) > _LIST_CHARS or label[-1:] not in {"]", "}"}:
        return None
    if _PYTHON_LIST.fullmatch(label):  # pandas writes a list into a CSV as Python does: ['neg']
        return [item[1:-1] for item in re.findall(_PYTHON_STRING, label)]
    try:
        value = json.loads(label)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) or (isinstance(value, dict) and "choices" in value) else None


def _rows(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:_NAMED]))
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{' and more' if rows[_NAMED:] else ''}"
