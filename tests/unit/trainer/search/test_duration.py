"""Times of the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from trainer.search.duration import MOST_S, seconds


@pytest.mark.parametrize(("text", "expected"), [("90m", 5_400), ("2h", 7_200), ("1h30m", 5_400), ("0.5h", 1_800)])
def test_numbers_with_units_add_up(text: str, expected: float) -> None:
    """Each of s, m, h and d."""
    assert seconds(text) == expected


@given(st.text(max_size=12))
def test_anything_else_is_refused_with_one_line(text: str) -> None:
    """A time is positive and bounded; every other text is an error that says what a time is."""
    try:
        assert 0 < seconds(text) <= MOST_S
    except SettingsError as error:
        assert "such as 90m" in str(error)  # noqa: PT017 - either outcome is right
