"""The positions of tokens in a pass without padding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.inference.engines.torch.packing import pack


@given(st.lists(st.integers(1, 16), min_size=1, max_size=200), st.integers(0, 2))
def test_every_message_is_found_whole_within_its_bounds(lengths: list[int], first_position: int) -> None:
    """Also its positions, which begin anew with each message; every token differs from every other."""
    ends = np.cumsum(lengths)
    rows = np.split(np.arange(1, ends[-1] + 1, dtype=np.int32), ends[:-1])
    packing = pack(rows, first_position)
    bounds, ids, positions = packing.parts()
    assert packing.slab.dtype == np.int32
    assert packing.shape.longest == max(lengths)
    assert len(ids) == packing.shape.tokens == sum(lengths), "no slot is empty"
    assert len(bounds) == packing.shape.messages + 1 == len(rows) + 1
    for row, start, end in zip(rows, bounds[:-1], bounds[1:], strict=True):
        assert ids[start:end].tolist() == row.tolist()
        assert positions[start:end].tolist() == list(range(first_position, first_position + len(row)))
