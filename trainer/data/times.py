"""Times as people have them, in epoch milliseconds. A time without an offset is UTC.

- numbers, also in strings: seconds, milliseconds, microseconds or nanoseconds since 1970, by the size of the
  largest number of the column (`_UNITS`); eight digits are a date, such as 20200131
- ISO 8601 and RFC 3339: `2020-01-31`, `2020-01-31 10:00`, `2020-01-31T10:00:00,5Z`, `2020-01-31 10:00:00 UTC`;
  also with slashes, `2020/01/31`, since the year comes first
- RFC 2822, `Mon, 06 Apr 2009 22:00:45 +0000`, and Twitter, `Mon Apr 06 22:00:45 +0000 2009`, with an offset or one
  of the zones that RFC 2822 names: `Mon Apr 06 22:19:45 PDT 2009`
- date and time objects of Parquet files

01/02/2020 is January or February: such a time is not guessed, it cannot be read.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import IntArray

_UNITS: Final = ((10**11, 1000.0), (10**14, 1.0), (10**17, 1e-3), (10**20, 1e-6))
"""Milliseconds in the unit of numbers below the first one: 10**11 s is the year 5138, 10**11 ms is in 1973."""
_LEAST: Final = 10**8
"""If no number reaches it, which is 1973 in seconds, they are no times since 1970, but perhaps years."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE]\+?\d{1,2})?", re.ASCII)
_DATE = re.compile(r"(?:19|20|21)\d{6}", re.ASCII)
_ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)(.*?)(?:\s*(?:UTC|GMT|Z|([+-]\d\d:?\d\d)))?", re.ASCII)
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
_ZONE = r"(?: (?P<zone>[+-]\d{4}|[A-Z]{1,3}))?"
_TWITTER = re.compile(
    rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) +(?P<day>\d\d?) {_CLOCK}{_ZONE} (?P<year>\d{{4}})"
)
_MAIL = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, +)?(?P<day>\d\d?) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_CLOCK}{_ZONE}"
    r"(?: \(.*\))?"
)
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_HOURS: Final = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7,
    "PDT": -7, "PST": -8,
}  # fmt: skip
"""The zones of RFC 2822, section 4.3; other names have several meanings."""


def column_ms(values: Sequence[Any]) -> tuple[list[int | None], list[int]]:
    """The time of each value or None, and the indices of values that are there and cannot be read."""
    numbers = [_number(value) for value in values]
    largest = max((abs(number) for number in numbers if number is not None), default=0.0)
    scale = next((scale for limit, scale in _UNITS if _LEAST <= largest < limit), None)
    times: list[int | None] = []
    unread: list[int] = []
    for row, (value, number) in enumerate(zip(values, numbers, strict=True)):
        found = _moment_ms(value) if number is None else _scaled(number, scale)
        times.append(found)
        if found is None and not _is_nothing(value):
            unread.append(row)
    return times, unread


def epoch_ms(value: Any) -> int | None:
    """One time alone; None if it is missing or cannot be read."""
    return column_ms([value])[0][0]


def _scaled(number: float, scale: float | None) -> int | None:
    return None if scale is None else round(number * scale)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124 - NaN


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        # Most strings are no numbers: two looks are cheaper than the expression.
        if ":" in text or "-" in text or not _NUMBER.fullmatch(text) or _DATE.fullmatch(text):
            return None
        return float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return None if abs(value) >= _UNITS[-1][0] or _DATE.fullmatch(str(value)) else float(value)
    return value if math.isfinite(value) else None


def _moment_ms(value: Any) -> int | None:
    if isinstance(value, str):
        return _text_ms(value.strip())
    if isinstance(value, datetime):
        return _ms(value)
    if isinstance(value, date):
        return _ms(datetime.combine(value, time()))
    is_date = isinstance(value, int) and _DATE.fullmatch(str(value))
    return _text_ms(str(value)) if is_date else None


def _ms(moment: datetime) -> int:
    return round(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) / _MILLISECOND)


def _text_ms(text: str) -> int | None:
    if text[4:5] == "-":
        with suppress(ValueError):  # most times: 1.6M take 2 s less than by the expression
            return _ms(datetime.fromisoformat(text))
    try:
        if found := _TWITTER.fullmatch(text) or _MAIL.fullmatch(text):
            return _parts_ms(**found.groupdict())
        if iso := _ISO.fullmatch(text):
            year, month, day, rest, offset = iso.groups()
            zone = offset or ("+00:00" if rest and text[-1].isalpha() else "")
            return _ms(datetime.fromisoformat(f"{year}-{month}-{day}{rest}{zone}"))
        return _ms(datetime.fromisoformat(text)) if _DATE.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None


def _parts_ms(
    *, year: str, month: str, day: str, hour: str, minute: str, second: str | None, zone: str | None
) -> int | None:
    start = _day_ms(year, month, day, zone)
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if start is None or hours > 23 or minutes > 59 or seconds > 60:  # noqa: PLR2004 - 60 is a leap second
        return None
    return start + ((hours * 60 + minutes) * 60 + seconds) * 1000


# 1.6M times of Sentiment140 share their days: 5 s instead of 8 s.
@lru_cache(maxsize=10_000)
def _day_ms(year: str, month: str, day: str, zone: str | None) -> int | None:
    """Midnight in the zone; None for one that is not in RFC 2822. Raises ValueError if there is no such day."""
    offset = _zone(zone)
    midnight = datetime(int(year), _MONTHS.find(month) // 4 + 1, int(day), tzinfo=offset or UTC)
    return None if offset is None else _ms(midnight)


def _zone(name: str | None) -> timezone | None:
    """The zone of an offset or a name; UTC without one, None for a name that is not in RFC 2822."""
    if name is None:
        return UTC
    if name[0] in "+-":
        minutes = int(name[1:3]) * 60 + int(name[3:])
        return timezone(timedelta(minutes=-minutes if name[0] == "-" else minutes))
    return timezone(timedelta(hours=_HOURS[name])) if name in _HOURS else None


def tied(times: IntArray | None) -> int:
    """Rows whose time another row has too."""
    if times is None:
        return 0
    counts = np.unique(times, return_counts=True)[1]
    return int(counts[counts > 1].sum())
