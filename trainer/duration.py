"""Times on the command line, such as 90s, 20m, 2h or 1h30m."""

from __future__ import annotations

import re
from typing import Final

MIN_S: Final = 10
MAX_S: Final = 30 * 24 * 3_600
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 24 * 3_600}
_PARTS: Final = re.compile(r"(?:[0-9]{1,9}[smhd])+")
_PART: Final = re.compile(r"([0-9]+)([smhd])")


def parse_duration(text: str) -> int:
    """The seconds; raises ValueError with what is allowed."""
    whole = _PARTS.fullmatch(text)
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text)) if whole else 0
    if not MIN_S <= seconds <= MAX_S:
        raise ValueError(f"expected a time such as 90s, 20m, 2h or 1h30m, from {MIN_S}s to {MAX_S // 86_400}d")
    return seconds
