"""Rates, shares and quantiles are those that Prometheus would compute."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import metrics
from consumer.monitoring.values import Values
from consumer.top.window import Span, Window
from shared.http.scrape import Snapshot
from tests.unit.consumer.top.exposing import snapshot


def test_rates_of_processes_add_up_over_their_own_seconds() -> None:
    """Given processes that were asked at different times, when added, then each counts by its own seconds."""
    spans = []
    for seconds, records in ((2.0, 10), (4.0, 8)):
        values = Values()
        before = snapshot(0, values=values)
        values.add(metrics.MESSAGES, records, "result")
        spans.append(Span(before, snapshot(seconds, values=values)))
    window = Window(spans)
    assert window.rate(metrics.MESSAGES) == 5 + 2
    assert window.by("outcome", metrics.MESSAGES)["result"] == 18
    assert window.rate(metrics.MESSAGES, outcome="dead_letter") == 0


def test_a_process_that_began_again_counts_from_zero() -> None:
    """Given a counter that went back, then what it has now was counted since."""
    before = snapshot(0, lambda values: values.add(metrics.MESSAGES, 100, "result"))
    after = snapshot(1, lambda values: values.add(metrics.MESSAGES, 7, "result"))
    assert Window([Span(before, after)]).increase(metrics.MESSAGES) == 7


def test_without_two_snapshots_there_is_no_figure() -> None:
    """None, and no zero that looks like a measurement."""
    one = snapshot(0)
    window = Window([Span(one, one)])
    assert window.rate(metrics.MESSAGES) is None
    assert window.mean(metrics.CONFIDENCE) is None
    assert window.quantile(metrics.END_TO_END, 0.5) is None
    assert window.share(metrics.UNCERTAIN, metrics.MESSAGES, outcome="result") is None


@given(st.lists(st.floats(0, 100_000), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_true_one(seconds: list[float], share: float) -> None:
    """Given any values, then the quantile is not outside of the bucket that holds the value of this rank."""
    values = Values()
    before = snapshot(0, values=values)
    after = snapshot(1, lambda v: v.observe_all(metrics.END_TO_END, np.array(seconds)), values=values)
    found = Window([Span(before, after)]).quantile(metrics.END_TO_END, share)
    true = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    bounds = [0.0, *metrics.END_TO_END.buckets]
    place = int(np.searchsorted(bounds, true)) or 1
    assert found is not None
    if place == len(bounds):
        assert found == bounds[-1]
    else:
        assert bounds[place - 1] <= found <= bounds[place] + 1e-9


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_do_not_spread(value: float) -> None:
    """A hostile or broken process cannot make the sum over all unreadable."""
    broken = Span(
        Snapshot(0, {"sentiment_read_records_total": {(): 0.0}}),
        Snapshot(1, {"sentiment_read_records_total": {(): value}}),
    )
    sound = Span(
        Snapshot(0, {"sentiment_read_records_total": {(): 0.0}}),
        Snapshot(1, {"sentiment_read_records_total": {(): 5.0}}),
    )
    assert Window([broken, sound]).rate(metrics.READ) == 5
