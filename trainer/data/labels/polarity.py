"""The polarity of labels: -1, 0 or +1 where their names say it, or the user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from shared.errors import SettingsError
from shared.terminal import few

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Polarity = Literal[-1, 0, 1]

_VALUES: Final[Mapping[str, Polarity | None]] = {"-1": -1, "0": 0, "1": 1, "+1": 1, "none": None}
_NAMES: Final[Mapping[str, Polarity]] = {
    "negative": -1,
    "neg": -1,
    "neutral": 0,
    "neu": 0,
    "positive": 1,
    "pos": 1,
}
_DEGREES: Final = ("very", "strongly", "extremely", "highly", "somewhat", "slightly", "weakly", "mostly")
_STARS: Final[Mapping[str, Polarity]] = {"1": -1, "2": -1, "3": 0, "4": 1, "5": 1}
_SIGNS: Final[Mapping[str, Polarity]] = {"-1": -1, "0": 0, "1": 1}


def parse_polarity(spec: str) -> dict[str, Polarity | None]:
    """Reads `negative=-1,neutral=0,mixed=none`; raises ValueError."""
    found: dict[str, Polarity | None] = {}
    for part in spec.split(","):
        label, _, value = part.rpartition("=")
        label, value = label.strip(), value.strip()
        if not label or value not in _VALUES:
            raise ValueError("it is a list like negative=-1,neutral=0,positive=1; values are -1, 0, 1 and none")
        found[label] = _VALUES[value]
    return found


def polarity_of(labels: Sequence[str], spec: str | None) -> dict[str, Polarity] | None:
    """The polarity of each label where it is known, by `spec` before its name; None if it is known of none.

    Raises SettingsError if `spec` names a label that there is not. Numbers are ambiguous: they count as stars only
    if the labels are exactly 1 to 5, and as signs only if they are among -1, 0 and 1 with -1.
    """
    given = parse_polarity(spec) if spec else {}
    if unknown := sorted(set(given) - set(labels)):
        raise SettingsError(f"--polarity names {few(unknown)}, and the labels are {few(labels)}")
    numbers: Mapping[str, Polarity] = {}
    if set(labels) == set(_STARS):
        numbers = _STARS
    elif "-1" in labels and set(labels) <= set(_SIGNS):
        numbers = _SIGNS
    named = {label: numbers[label] if label in numbers else _by_name(label) for label in labels}
    known = {label: value for label, value in (named | given).items() if value is not None}
    return known or None


def _by_name(label: str) -> Polarity | None:
    *before, last = re.split(r"[\s_-]+", label.strip().casefold()) or [""]
    if last in {"star", "stars"} and len(before) == 1:
        return _STARS.get(before[0])
    return _NAMES.get(last) if all(word in _DEGREES for word in before) else None
