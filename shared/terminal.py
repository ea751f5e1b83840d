"""Showing labels and hostile text on a terminal."""

from __future__ import annotations

import unicodedata
from typing import Final

from rich.text import Text

SIGNS: Final = {
    "negative": ("\N{BLACK DOWN-POINTING TRIANGLE}", "#D55E00"),
    "neutral": ("\N{BLACK CIRCLE}", "#6B7280"),
    "positive": ("\N{BLACK UP-POINTING TRIANGLE}", "#0072B2"),
}
"""Sign and colour by label: each label is told apart without colour, and no pair is red and green."""

_SHOWN_AS_ESCAPE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINER: Final = "\u200d"


def printable(text: str, max_chars: int = 200) -> Text:
    """A text of the stream as one harmless line: no control, no direction mark, no markup has an effect."""
    cut = text if len(text) <= max_chars else text[: max_chars - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Text("".join(map(_shown, cut)))


def _shown(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if char != _JOINER and unicodedata.category(char) in _SHOWN_AS_ESCAPE:
        return f"\\u{ord(char):04x}"
    return char
