"""Times of a command line, such as 90m."""

from __future__ import annotations

import re
from typing import Final

from shared.errors import SettingsError

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TIME: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])")
MOST_S: Final = 90 * 86_400


def seconds(text: str) -> float:
    """The seconds of `90m`, `2h` or `1h30m`; raises SettingsError."""
    parts = _TIME.findall(text)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if not parts or "".join(map("".join, parts)) != text or not 0 < total <= MOST_S:
        raise SettingsError(f"--budget must be a time such as 90m, 2h or 1h30m, of at most {MOST_S // 86_400}d")
    return total
