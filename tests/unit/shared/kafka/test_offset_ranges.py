"""Arithmetic of offsets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.offset_ranges import last_of


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 200))
def test_the_last_records_are_dealt_evenly(lengths: list[int], last: int) -> None:
    """As many as requested or available, from the ends, in shares that differ by 1 at most."""
    spans = {partition: range(5, 5 + length) for partition, length in enumerate(lengths)}

    found = last_of(spans, last)

    assert list(found) == list(spans)
    assert sum(map(len, found.values())) == min(last, sum(lengths))
    assert all(found[partition].stop == span.stop for partition, span in spans.items())
    assert all(found[partition].start >= span.start for partition, span in spans.items())
    unfinished = [len(found[partition]) for partition, span in spans.items() if len(found[partition]) < len(span)]
    assert not unfinished or max(map(len, found.values())) - min(unfinished) <= 1
