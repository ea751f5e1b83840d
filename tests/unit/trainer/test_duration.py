"""Times of the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.duration import MAX_S, MIN_S, parse_duration


@pytest.mark.parametrize(("text", "expected"), [("90m", 5_400), ("2h", 7_200), ("1h30m", 5_400), ("1d", 86_400)])
def test_numbers_with_units_add_up(text: str, expected: int) -> None:
    """Each of s, m, h and d."""
    assert parse_duration(text) == expected


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,12}[smhd]", fullmatch=True))
def test_anything_else_is_refused_with_one_line(text: str) -> None:
    """A time is bounded; every other text is an error that says what a time is."""
    try:
        assert MIN_S <= parse_duration(text) <= MAX_S
    except ValueError as error:
        assert "such as 90s" in str(error)  # noqa: PT017 - either outcome is right
