"""The positions of tokens in a pass without padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.engines.torch.packing import Packing, Shape, first_fit, pack_flat, pack_rows

WIDTH = 16
LENGTHS = st.lists(st.integers(1, WIDTH), min_size=1, max_size=200)


def rows_of(lengths: list[int]) -> list[np.ndarray]:
    """Rows in which every token differs from every other."""
    ends = np.cumsum(lengths)
    return np.split(np.arange(1, ends[-1] + 1, dtype=np.int32), ends[:-1])


def written(packing: Packing, shape: Shape, first_position: int = 0) -> list[np.ndarray]:
    """Bounds, ids, positions and first tokens, written over the leftovers of an earlier pass."""
    slab = np.full(sum(shape.parts), -7, dtype=np.int32)
    packing.write(slab, shape, first_position)
    return np.split(slab, np.cumsum(shape.parts)[:-1])


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


@given(LENGTHS, st.booleans(), st.integers(0, 2), st.integers(0, 40), st.integers(0, 9))
def test_every_message_is_found_whole_at_its_first_token(
    lengths: list[int], flat: bool, first_position: int, spare_slots: int, spare_messages: int
) -> None:
    """Also in a shape with spare places, whatever the slab held before."""
    rows = rows_of(lengths)
    packing = pack_flat(rows) if flat else pack_rows(rows, WIDTH)
    least = packing.shape
    spare_slots = spare_slots if flat else spare_slots * WIDTH
    shape = Shape(flat, least.slots + spare_slots, least.messages + spare_messages, WIDTH)
    assert shape.holds(least)
    bounds, ids, positions, firsts = written(packing, shape, first_position)
    for number, (row, start) in enumerate(zip(rows, firsts, strict=False)):
        own = slice(start, start + len(row))
        assert ids[own].tolist() == row.tolist()
        assert positions[own].tolist() == list(range(first_position, first_position + len(row)))
        if flat:
            assert (bounds[number], bounds[number + 1]) == (start, start + len(row))
        else:
            assert (bounds == number + 1).nonzero()[0].tolist() == list(range(own.start, own.stop))
    assert np.count_nonzero(ids) == sum(lengths)
    assert firsts[len(rows) :].tolist() == [0] * spare_messages
    if flat:
        assert bounds[len(rows) :].tolist() == [sum(lengths)] * (spare_messages + 1)


def test_a_row_is_filled_as_well_as_published_for_short_texts() -> None:
    """0.99 of the slots, for log-normal lengths around 25 and rows of 128."""
    lengths = np.random.default_rng(0).lognormal(3.05, 0.6, size=2_000).clip(3, 128).astype(np.int64)
    _, used = first_fit(lengths, 128)
    assert lengths.sum() / (used * 128) > 0.99


@pytest.mark.parametrize(
    "other",
    [
        Shape(flat=False, slots=64, messages=4, longest=16),
        Shape(flat=True, slots=65, messages=4, longest=16),
        Shape(flat=True, slots=64, messages=5, longest=16),
        Shape(flat=True, slots=64, messages=4, longest=17),
    ],
)
def test_a_shape_holds_nothing_larger_and_no_other_layout(other: Shape) -> None:
    """Each of them would be run wrongly or not at all."""
    assert not Shape(flat=True, slots=64, messages=4, longest=16).holds(other)


def test_rows_of_another_width_are_not_held() -> None:
    """The mask would mix the messages of two rows."""
    assert not Shape(flat=False, slots=64, messages=4, longest=32).holds(
        Shape(flat=False, slots=64, messages=4, longest=16)
    )
