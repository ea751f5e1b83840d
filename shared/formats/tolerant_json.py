"""JSON as it is written, where the fast and strict parser refuses it.

Read as well are lone surrogates, control characters within strings, numbers of any length and deeper nesting.
"""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str) -> Any:
    """Parses JSON; raises ValueError with the position, and without a part of the text."""
    try:
        return json.loads(text, strict=False, parse_int=_integer)
    except json.JSONDecodeError as error:
        # Some of the messages end with " at", and some with ": " and what is wrong.
        raise ValueError(
            f"{error.msg.partition(':')[0].removesuffix(' at')} at line {error.lineno} column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more than 4,300 digits
        return float(digits)
