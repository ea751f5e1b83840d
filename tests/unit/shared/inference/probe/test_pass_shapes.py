"""Padded passes have few shapes, and never one that must be avoided."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.probe.pass_shapes import EVERY_WIDTH_TO, NARROWEST, PassShapes, pass_widths


@given(st.integers(NARROWEST, 2_048))
def test_widths_grow_in_steps_of_at_most_an_eighth(longest: int) -> None:
    """Given a longest row, when widths are chosen, then each up to 64 is one, and beyond that the next is near."""
    widths = pass_widths(longest)

    assert widths[0] == NARROWEST
    assert widths[-1] == longest
    assert set(range(NARROWEST, min(longest, EVERY_WIDTH_TO) + 1)) <= set(widths)
    for one, following in pairwise(widths):
        assert 1 <= following - one <= max(1, one // 8)


@given(
    st.integers(NARROWEST, 600),
    st.sets(st.integers(NARROWEST, 600), max_size=20),
    st.sets(st.integers(1, 8), max_size=3),
    st.integers(1, 40),
    st.data(),
)
def test_a_pass_holds_its_rows_and_is_not_avoided(
    longest: int, widths: set[int], numbers: set[int], rows: int, data: st.DataObject
) -> None:
    """Given shapes to avoid, when a pass is laid out, then it fits, has none of them, and reports growth."""
    shapes = PassShapes(pass_widths(longest), frozenset(widths - {longest}), frozenset(numbers))
    tokens = data.draw(st.integers(1, longest))

    fit = shapes.fit(rows, tokens)

    assert fit.width >= tokens
    assert fit.rows >= rows
    assert fit.width in shapes.widths
    assert fit.width not in shapes.avoided_widths
    assert fit.rows not in shapes.avoided_rows
    plain = PassShapes(shapes.widths).fit(rows, tokens)
    assert fit.avoids == (fit[:2] != plain[:2])
    assert plain == (rows, min(width for width in shapes.widths if width >= tokens), False)


@pytest.mark.parametrize("tokens", [1, 70])
def test_a_row_beyond_the_widths_keeps_its_own(tokens: int) -> None:
    """Given no widths, or a longer row than any, when laid out, then the pass is as wide as the row."""
    assert PassShapes().fit(3, tokens) == (3, tokens, False)
    assert PassShapes(pass_widths(69)).fit(3, 70) == (3, 70, False)
