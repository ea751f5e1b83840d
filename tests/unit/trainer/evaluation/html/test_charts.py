"""Axes cover what they show, and charts stay in their frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.trainer.evaluation.html.pages import parse
from trainer.evaluation.html.charts.axis import axis_for, unit_axis
from trainer.evaluation.html.charts.plot import HEIGHT, WIDTH, Plot, bar_chart

if TYPE_CHECKING:
    from collections.abc import Sequence

numbers = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 6)), min_size=1, max_size=20)


@settings(deadline=None)
@given(numbers, st.booleans())
@example([3e-5, -100_001.0], False)
def test_an_axis_covers_its_values_with_few_ticks_of_different_names(values: Sequence[float], whole: bool) -> None:
    """Also for one value, and for values that are all equal."""
    axis = axis_for("x", values, whole=whole)
    assert axis.low <= min(values)
    assert axis.high >= max(values)
    assert 2 <= len(axis.ticks) <= 9
    assert len({axis.shown(tick) for tick in axis.ticks}) == len(axis.ticks)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), max_size=20), st.text(max_size=40))
def test_a_plot_stays_in_its_frame(points: list[tuple[float, float]], name: str) -> None:
    """Points outside of the axes are drawn at the edge."""
    plot = Plot(unit_axis("x"), unit_axis("y"))
    plot.line(name, 7, points, marks=True)
    plot.marks(name, 2, points, hollow=True)
    svg = str(plot.markup("d"))
    parse(f"<!DOCTYPE html><title>x</title>{svg}")
    for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", svg):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.floats(-1, 2), st.just("1 %")), max_size=9))
def test_a_bar_chart_is_well_formed(bars: list[tuple[str, float, str]]) -> None:
    """Whatever the names and shares are."""
    parse(f"<!DOCTYPE html><title>x</title>{bar_chart(bars, label='share', description='d')}")
