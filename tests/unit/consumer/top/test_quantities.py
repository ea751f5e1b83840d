"""Numbers that fit their column, whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.top.quantities import BLOCKS, NONE, count, percent, seconds, size, sparkline


@given(st.one_of(st.none(), st.floats(min_value=0)))
def test_each_number_fits_its_column(value: float | None) -> None:
    """Given any number from 0 on, infinity and none, then it has 1 to 10 characters."""
    for shown in (
        count(value),
        seconds(value),
        size(value),
        percent(min(value, 1.0) if value is not None else None),
    ):
        assert 1 <= len(shown) <= 10


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count(1_554), "1,554"),
        (count(12_345), "12.3 k"),
        (count(4_200_000), "4.2 M"),
        (count(0.25), "0.25"),
        (count(None), NONE),
        (seconds(0.416), "416 ms"),
        (seconds(3.2), "3.2 s"),
        (seconds(700), "12 min"),
        (seconds(200_000), "2 d"),
        (size(310_000), "310 kB"),
        (size(6.1e8), "610 MB"),
        (percent(0), "0 %"),
        (percent(0.0002), "<0.1 %"),
        (percent(0.034), "3.4 %"),
        (percent(0.81), "81 %"),
    ],
)
def test_numbers_read_at_a_glance(shown: str, expected: str) -> None:
    """Three digits, and a share that is not 0 never reads as 0."""
    assert shown == expected


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), max_size=80), st.integers(0, 60))
def test_a_line_of_blocks_has_one_block_for_each_of_the_last_values(
    values: list[float | None], width: int
) -> None:
    """Given any values, then the line is no wider than asked, and of blocks and blanks only."""
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    assert set(line) <= {*BLOCKS, " "}


def test_a_line_of_blocks_begins_at_zero() -> None:
    """So that a small change of a large number looks small."""
    assert sparkline([0, 1, 2, 4, 8], 5) == "▁▂▃▅█"
    assert sparkline([100, 101, 100], 3) == "███"
    assert sparkline([0, 0, None], 3) == "▁▁ "
