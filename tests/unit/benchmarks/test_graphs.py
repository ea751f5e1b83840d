"""Passes padded to a fixed shape, and the steps of their capture and replay, with fakes of streams and graphs.

This shows that the steps fit together, not that CUDA does what they ask for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu.graphs import Graphs, holds, pad_to
from benchmarks.gpu.rows import RowsShape, pack_rows
from shared.inference.engines.torch.cuda import CudaSlot
from shared.inference.engines.torch.packing import Shape, pack
from tests.support.packed import Steps, fake_cuda

if TYPE_CHECKING:
    from benchmarks.gpu.graphs import AnyShape

WIDTH = 16
SMALL = Shape(tokens=4, messages=2, longest=4)
LARGE = Shape(tokens=8, messages=3, longest=4)


@given(
    st.lists(st.integers(1, WIDTH), min_size=1, max_size=200), st.booleans(), st.integers(1, 40), st.integers(0, 9)
)
def test_a_padded_pass_holds_the_same_messages_and_nothing_else(
    lengths: list[int], in_rows: bool, spare_slots: int, spare_messages: int
) -> None:
    """Spare slots are zeros and belong to no message; spare messages have no tokens, or the answer of slot 0."""
    rows = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    packing: Any = pack_rows(rows, 1, WIDTH) if in_rows else pack(rows, 1)
    least = packing.shape
    fixed: AnyShape = (
        RowsShape(least.tokens + spare_slots * WIDTH, least.messages + spare_messages, WIDTH)
        if in_rows
        else Shape(least.tokens + spare_slots, least.messages + spare_messages, WIDTH)
    )
    assert holds(fixed, least)
    padded = pad_to(fixed, packing)
    assert padded.shape == fixed
    assert padded.slab.dtype == np.int32
    for before, after in zip(packing.parts(), padded.parts(), strict=True):
        assert after[: len(before)].tolist() == before.tolist()
    _, ids, positions, *firsts = padded.parts()
    assert not ids[least.tokens :].any()
    assert not positions[least.tokens :].any()
    if in_rows:
        assert not padded.parts()[0][least.tokens :].any()
        assert not firsts[0][least.messages :].any()
    else:
        bounds = padded.parts()[0]
        assert bounds[least.messages :].tolist() == [sum(lengths)] * (spare_messages + 1)
        assert bounds[:-1].max() < fixed.tokens, "where the first token of each message is looked up"


VARLEN = Shape(tokens=64, messages=4, longest=16)
ROWS = RowsShape(tokens=64, messages=4, width=32)


@pytest.mark.parametrize(("shape", "held"), [(VARLEN, Shape(tokens=63, messages=4, longest=16)), (ROWS, ROWS)])
def test_a_shape_holds_what_fits(shape: AnyShape, held: AnyShape) -> None:
    """A graph of the shape can run it."""
    assert holds(shape, held)


@pytest.mark.parametrize(
    ("shape", "other"),
    [
        (VARLEN, RowsShape(tokens=64, messages=4, width=16)),
        (VARLEN, Shape(tokens=65, messages=4, longest=16)),
        (VARLEN, Shape(tokens=64, messages=4, longest=16)),
        (VARLEN, Shape(tokens=63, messages=5, longest=16)),
        (VARLEN, Shape(tokens=63, messages=4, longest=17)),
        (ROWS, RowsShape(tokens=64, messages=4, width=16)),
        (ROWS, RowsShape(tokens=96, messages=4, width=32)),
        (ROWS, RowsShape(tokens=64, messages=5, width=32)),
        (ROWS, Shape(tokens=63, messages=4, longest=32)),
    ],
)
def test_a_shape_holds_nothing_larger_and_no_other_layout(shape: AnyShape, other: AnyShape) -> None:
    """Spare messages need a spare slot; in rows of another width the mask would mix messages."""
    assert not holds(shape, other)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Fakes for the parts of `torch.cuda` that slots and graphs use."""
    return fake_cuda(monkeypatch)


def test_a_captured_shape_is_replayed_on_the_slab_it_was_captured_with(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shape is computed without a captured graph."""
    device = torch.device("cpu")
    slot = CudaSlot(device)
    graphs = Graphs(device, slot.stream)
    seen: list[torch.Tensor] = []

    def model(slab: torch.Tensor, shape: Shape) -> torch.Tensor:
        seen.append(slab)
        return slab[: shape.messages].float()

    def run(slab: np.ndarray, shape: Shape) -> Any:
        steps.clear()
        return slot.run(partial(graphs.run, model, shape=shape), slab.astype(np.int32)).tolist()

    graphs.capture(model, SMALL)
    assert [slab is seen[0] for slab in seen] == [True] * 3, "twice to warm up, once to record, in one place"
    assert not seen[0].any(), "a slab that is valid whatever the shape"
    (graph,) = graphs._graphs.values()  # noqa: SLF001 - what a GPU would replay has to be done here
    monkeypatch.setattr(graph.graph, "replay", lambda: graph.logits.copy_(graph.slab[: SMALL.messages]))
    assert run(np.full(sum(SMALL.parts), 7), SMALL) == [7, 7]
    assert len(seen) == 3, "not computed but replayed"
    assert steps == ["synchronize copied", "record copied", "record done", "synchronize done"]
    assert run(np.arange(sum(LARGE.parts)), LARGE) == [0, 1, 2]
    assert len(seen) == 4
