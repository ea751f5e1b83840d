"""Times as people have them, and those that are not guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.times import column_ms, epoch_ms

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(  # noqa: DTZ001 - the zone follows
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
TEN = 1580464800000  # 2020-01-31T10:00:00Z
MIDNIGHT = 1580428800000


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2020-01-31T10:00:00Z", TEN),
        ("2020-01-31T11:00:00+01:00", TEN),
        ("2020-01-31 10:00", TEN),
        ("2020-01-31 10:00:00,5", TEN + 500),
        ("2020-01-31T10:00:00.123456789Z", TEN + 123),
        ("2020-01-31 10:00:00 UTC", TEN),
        ("2020-01-31 10:00:00 +0000", TEN),
        ("2020/01/31 10:00:00", TEN),
        ("2020-01-31", MIDNIGHT),
        ("20200131", MIDNIGHT),
        (20200131, MIDNIGHT),
        (date(2020, 1, 31), MIDNIGHT),
        (datetime(2020, 1, 31, 10), TEN),  # noqa: DTZ001 - a naive time is UTC
        (datetime(2020, 1, 31, 5, tzinfo=timezone(timedelta(hours=-5))), TEN),
        ("Fri Jan 31 10:00:00 +0000 2020", TEN),
        ("Fri Jan 31 02:00:00 PST 2020", TEN),
        ("Fri, 31 Jan 2020 10:00:00 +0000", TEN),
        ("31 Jan 2020 10:00 GMT", TEN),
        ("Fri, 31 Jan 2020 10:00:00 +0000 (UTC)", TEN),
        (1580464800, TEN),
        (1580464800.5, TEN + 500),
        ("1580464800.0", TEN),
        (TEN, TEN),
        (str(TEN), TEN),
        (TEN * 1000, TEN),
        (TEN * 10**6, TEN),
    ],
)
def test_a_time_is_read(value: Any, ms: int) -> None:
    """RFC 3339, ISO 8601, RFC 2822, Twitter, and numbers since 1970 in four units."""
    assert epoch_ms(value) == ms


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "01/02/2020",
        "31.01.2020",
        "2020-13-01",
        "2020",
        2020,
        "Fri Jan 31 10:00:00 CET 2020",
        "Fri Jan 31 25:00:00 +0000 2020",
        "Fri Feb 31 10:00:00 +0000 2020",
        "Fri Xyz 31 10:00:00 +0000 2020",
        True,
        [],
        {"time": 1},
        b"2020-01-31",
        10**40,
        float("inf"),
    ],
)
def test_a_time_is_not_guessed(value: Any) -> None:
    """Day or month first, years alone, zones of several meanings, days that there are not, other types."""
    assert column_ms([value]) == ([None], [0])


@pytest.mark.parametrize("value", [None, "", " ", float("nan")])
def test_no_time_is_not_an_unreadable_time(value: Any) -> None:
    """It is only missing."""
    assert column_ms([value]) == ([None], [])


def test_the_largest_number_of_a_column_gives_its_unit() -> None:
    """So that an early time in milliseconds is not taken for seconds."""
    assert column_ms([86_400_000, TEN])[0] == [86_400_000, TEN]
    assert column_ms([86_400, TEN // 1000])[0] == [86_400_000, TEN]


@given(MOMENTS)
def test_one_moment_in_every_way_is_one_time(moment: datetime) -> None:
    """Written by the libraries that write these ways."""
    ms = round(moment.timestamp() * 1000)
    english = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    ways = (moment, moment.isoformat(), english, format_datetime(moment), ms, ms / 1000, str(ms), ms * 1000)
    assert {epoch_ms(way) for way in ways} == {ms}


@given(st.lists(st.none() | st.integers() | st.floats() | st.text() | st.booleans() | st.datetimes() | st.dates()))
def test_any_column_has_a_time_or_none_for_each_value(values: list[Any]) -> None:
    """Nothing raises; what is there and unread is listed."""
    times, unread = column_ms(values)
    assert len(times) == len(values)
    assert all(times[row] is None and values[row] is not None for row in unread)
