"""One spelling for a label, however a program wrote it."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Final

MAX_CHARS: Final = 100
"""A longer label is probably a text, and the column the wrong one."""
MAX_DIGITS: Final = 20
"""Before the point, of a label that is read as a number."""
DECIMALS: Final = 12
"""Digits after the point that are kept of a label that is a number."""

# What pandas, R, SQL, Spark and Python write for a missing value. Not NONE and none, which are classes of stance
# and emotion data sets.
NOTHING: Final = frozenset(
    {"nan", "NaN", "NAN", "-nan", "None", "null", "NULL", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaT", "\\N"}
)
"""Spellings of no value; `--label-map NA=NA` keeps one as a label."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CODE = re.compile(r"-?0\d+", re.ASCII)
_BOOLEANS: Final = {word: word.lower() for word in ("True", "False", "TRUE", "FALSE")}


def clean(label: str) -> str:
    """The label without blanks and byte order marks at its ends, in NFC; numbers and booleans in one spelling."""
    # Files that were joined have a byte order mark in the middle, which is no blank for Python.
    label = label.strip().strip("\ufeff").strip()
    if not label.isascii():
        # A Mac writes é as two characters, Windows as one: they would be two labels.
        return unicodedata.normalize("NFC", label)
    # pandas writes 4.0 for 4 if the column has a gap, and 1e-05 for 0.00001. 01 is a code, and another than 1.
    if _NUMBER.fullmatch(label) and not _CODE.fullmatch(label):
        return number(Decimal(label)) or label
    return _BOOLEANS.get(label, label)


def number(value: Decimal) -> str | None:
    """The number as a label, such as 4 or 0.5; None for one of more than MAX_DIGITS digits, or not finite."""
    if not value.is_finite() or (value and value.adjusted() >= MAX_DIGITS):
        return None
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_name(label: str) -> bool:
    """Whether it can be a label: short, and without line ends and other control characters."""
    return len(label) <= MAX_CHARS and (
        label.isprintable() or not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in label)
    )
