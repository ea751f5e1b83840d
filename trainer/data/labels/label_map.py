"""The language of `--label-map`: `0=negative,4=positive`, `1-2=negative,3=neutral,4-5=positive`.

    map   = part, {",", part}
    part  = (label | number | range), "=", name
    range = number, "-", number        both ends belong to it; where two ranges share an end, the first has it

A label or a name that holds `,`, `=` or a back-tick, or a label that reads like a range, is put in back-ticks, and
a back-tick in it is doubled, as in paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Final

from trainer.data.labels.spelling import DECIMALS, MAX_CHARS, MAX_DIGITS, clean, is_name, number

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PARTS: Final = 1_000
NUMBER: Final = rf"-?\d{{1,{MAX_DIGITS}}}(?:\.\d{{1,{DECIMALS}}})?"

_QUOTED = r"`((?:[^`]|``)+)`"
_BARE = r"([^,=`\s](?:[^,=`]*[^,=`\s])?)"
_PART = re.compile(rf"\s*(?:{_QUOTED}|{_BARE})\s*=\s*(?:{_QUOTED}|{_BARE})\s*(?:,|$)")
_RANGE = re.compile(rf"({NUMBER})(?:\s*-\s*({NUMBER}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bin:
    """A number, or a range of numbers, and the label that it becomes."""

    low: Decimal
    high: Decimal
    name: str

    def __str__(self) -> str:
        """The part as one writes it."""
        ends = dict.fromkeys((number(self.low), number(self.high)))
        return f"{'-'.join(map(str, ends))}={quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Names for labels; an empty one changes nothing. Make it with `parse_label_map`."""

    names: tuple[tuple[str, str], ...] = ()
    """A label and the label that it becomes."""
    bins: tuple[Bin, ...] = ()

    def __str__(self) -> str:
        """The map as one writes it."""
        named = (f"{_quoted_label(label)}={quoted(name)}" for label, name in self.names)
        return ",".join((*map(str, self.bins), *named))

    def find(self, label: str) -> str | None:
        """What a label becomes; None if no part is for it."""
        for one, name in self.names:
            if one == label:
                return name
        value = as_number(label)
        if value is None:
            return None
        return next((one.name for one in self.bins if one.low <= value <= one.high), None)

    def lacks(self, label: str) -> bool:
        """Whether a label is a number and in no part, although the map is for numbers."""
        return bool(self.bins) and as_number(label) is not None and self.find(label) is None


def parse_label_map(spec: str) -> LabelMap:
    """Parses a map; raises ValueError that says which part is wrong."""
    names: dict[str, str] = {}
    bins: list[Bin] = []
    position = 0
    while position < len(spec) or not position:
        part = _PART.match(spec, position)
        if part is None:
            raise ValueError(
                f"expected LABEL=NAME, NUMBER=NAME or FROM-TO=NAME at character {position + 1}; "
                "put a label with , or = in back-ticks"
            )
        label, bare, *given = part.groups()
        name = _name(*given)
        ends = _RANGE.fullmatch(bare) if bare else None
        if ends:
            bins.append(_bin(Decimal(ends[1]), Decimal(ends[2] or ends[1]), name))
        elif names.setdefault(key := clean(bare or label.replace("``", "`")), name) != name:
            raise ValueError(f"{key!r} has two names")
        position = part.end()
        if len(names) + len(bins) > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS:,} parts")
    if spec.rstrip().endswith(","):
        raise ValueError("a part is missing after the last comma")
    _check(bins)
    return LabelMap(tuple(names.items()), tuple(bins))


def as_number(label: str) -> Decimal | None:
    """The number that a label is, such as 4 or -0.5; None for others."""
    return Decimal(label) if re.fullmatch(NUMBER, label, re.ASCII) else None


def quoted(name: str) -> str:
    """A name as one writes it in a map: in back-ticks where it needs them."""
    return name if re.fullmatch(_BARE, name) else f"`{name.replace('`', '``')}`"


def _quoted_label(label: str) -> str:
    return f"`{label}`" if _RANGE.fullmatch(label) else quoted(label)


def _name(in_ticks: str | None, bare: str | None) -> str:
    name = clean(bare or (in_ticks or "").replace("``", "`"))
    if not name or not is_name(name):
        raise ValueError(f"a name is empty, longer than {MAX_CHARS} characters, or holds a control character")
    return name


def _bin(low: Decimal, high: Decimal, name: str) -> Bin:
    if low > high:
        raise ValueError(f"the range {low}-{high} ends before it begins")
    return Bin(low, high, name)


def _check(bins: list[Bin]) -> None:
    for one, other in combinations(bins, 2):
        low, high = max(one.low, other.low), min(one.high, other.high)
        a_point = one.low == one.high or other.low == other.high
        if low < high or (low == high and a_point):
            raise ValueError(f"{one} and {other} overlap")


def map_for(unknown: Sequence[str], labels: Sequence[str]) -> str:
    """A map to complete: another spelling of a label has its name, the others are open."""
    label_of = {label.casefold(): label for label in labels}
    names = {one: label_of.get(one.casefold(), "LABEL") for one in unknown}
    return ",".join(f"{quoted(one)}={quoted(name)}" for one, name in names.items())
