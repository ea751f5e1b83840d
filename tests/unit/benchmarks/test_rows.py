"""The positions of tokens in rows, which first fit fills."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu.rows import first_fit, pack_rows

WIDTH = 16
LENGTHS = st.lists(st.integers(1, WIDTH), min_size=1, max_size=200)


@given(LENGTHS)
def test_first_fit_keeps_messages_whole_apart_and_in_as_few_rows_as_the_textbook(lengths: list[int]) -> None:
    """Compared with first fit in decreasing order, written as in a textbook."""
    starts, used = first_fit(np.array(lengths), WIDTH)
    taken = np.zeros(used * WIDTH, dtype=int)
    for start, length in zip(starts, lengths, strict=True):
        assert start // WIDTH == (start + length - 1) // WIDTH
        taken[start : start + length] += 1
    assert taken.max() == 1
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        row = next((row for row, left in enumerate(free) if left >= length), len(free))
        free[row:] = [(free[row] if row < len(free) else WIDTH) - length, *free[row + 1 :]]
    assert used == len(free)


@given(LENGTHS, st.integers(0, 2))
def test_every_message_is_found_whole_at_its_first_token(lengths: list[int], first_position: int) -> None:
    """Its slots, and only they, carry its number; every token differs from every other."""
    ends = np.cumsum(lengths)
    rows = np.split(np.arange(1, ends[-1] + 1, dtype=np.int32), ends[:-1])
    packing = pack_rows(rows, first_position, WIDTH)
    messages, ids, positions, firsts = packing.parts()
    for number, (row, start) in enumerate(zip(rows, firsts, strict=True), start=1):
        own = slice(start, start + len(row))
        assert ids[own].tolist() == row.tolist()
        assert positions[own].tolist() == list(range(first_position, first_position + len(row)))
        assert (messages == number).nonzero()[0].tolist() == list(range(own.start, own.stop))
    assert np.count_nonzero(ids) == sum(lengths)


def test_a_row_is_filled_as_well_as_published_for_short_texts() -> None:
    """0.99 of the slots, for log-normal lengths around 25 and rows of 128."""
    lengths = np.random.default_rng(0).lognormal(3.05, 0.6, size=2_000).clip(3, 128).astype(np.int64)
    _, used = first_fit(lengths, 128)
    assert lengths.sum() / (used * 128) > 0.99
