"""In which script a text is written, such as Latin or Han: the first hint that a model cannot read it."""

from __future__ import annotations

from collections import Counter
from typing import Final

import regex

SCRIPTS: Final = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Georgian", "Armenian",
    "Ethiopic", "Hangul", "Hiragana", "Katakana", "Han",
)  # fmt: skip
"""As Unicode calls them; letters of others are `other`."""
OTHER: Final = "other"
NONE: Final = "no letters"

_RUNS = regex.compile(
    "|".join(rf"(?P<{name}>[\p{{Script={name}}}&&\p{{L}}]+)" for name in SCRIPTS) + rf"|(?P<{OTHER}>\p{{L}})",
    flags=regex.VERSION1,  # with set operations
)


def script_of(text: str) -> str:
    """The script of most letters of a text, or NONE; of two with as many letters the first in the text."""
    letters = Counter[str]()
    for run in _RUNS.finditer(text):
        letters[run.lastgroup] += len(run[0])
    return letters.most_common(1)[0][0] if letters else NONE
