"""CUDA graphs of packed passes: a few fixed shapes, passes padded to them, and their capture and replay.

Capture and replay have never run on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from benchmarks.gpu.rows import RowsPacking, RowsShape
from shared.inference.engines.torch.packing import Packing, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    AnyShape = Shape | RowsShape
    AnyPacking = Packing | RowsPacking
    Model = Callable[[torch.Tensor, Any], torch.Tensor]
    """Logits in fp32 from a slab on the device and its shape: a `PackedModel` or a `RowsModel`."""

_SHARES: Final = (0.0625, 0.125, 0.25, 0.5, 1.0)
_SHARES_OF_ROWS: Final = (0.0625, 0.125, 0.25, 0.5, 1.03, 1.25)
"""Slots of the shapes with a graph, as shares of a full pass: rows are rarely filled completely."""
_TOKENS_PER_MESSAGE: Final = 8
"""Smallest mean length at which a pass always fits a graph; a pass that fits none runs without a graph."""


def fixed_shapes(width: int, tokens: int, *, in_rows: bool) -> list[AnyShape]:
    """The shapes for messages of up to `width` tokens in passes of up to `tokens`, the smallest first."""
    shapes: list[AnyShape] = []
    for share in _SHARES_OF_ROWS if in_rows else _SHARES:
        slots = (int(share * tokens) // width + 1) * width
        messages = slots // _TOKENS_PER_MESSAGE
        shapes.append(RowsShape(slots, messages, width) if in_rows else Shape(slots, messages, width))
    return shapes


def holds(fixed: AnyShape, needed: AnyShape) -> bool:
    """Whether a pass that needs one shape can be run in the other."""
    if isinstance(fixed, Shape) and isinstance(needed, Shape):
        # At least one slot is left over: the first token of the messages that do not exist is looked up there.
        room = fixed.tokens > needed.tokens and fixed.longest >= needed.longest
    elif isinstance(fixed, RowsShape) and isinstance(needed, RowsShape):
        room = fixed.tokens >= needed.tokens and fixed.width == needed.width
    else:
        return False
    return room and fixed.messages >= needed.messages


def pad_to(fixed: AnyShape, packing: AnyPacking) -> AnyPacking:
    """The same pass in a shape that holds it.

    Slots that are left over get token and position 0. Messages that do not exist have no tokens; in rows their
    answer is that of slot 0.
    """
    parts = [
        np.pad(part, (0, length - len(part))) for part, length in zip(packing.parts(), fixed.parts, strict=True)
    ]
    if isinstance(fixed, RowsShape):
        return RowsPacking(np.concatenate(parts), fixed)
    bounds = parts[0]
    bounds[packing.shape.messages :] = packing.shape.tokens
    return Packing(np.concatenate(parts), fixed)


@dataclass(frozen=True, slots=True)
class _Graph:
    """A captured pass, and the memory that every replay reads and writes."""

    graph: torch.cuda.CUDAGraph
    slab: torch.Tensor
    logits: torch.Tensor


class Graphs:
    """The captured passes of one slot. They never run at the same time, so they share memory."""

    def __init__(self, device: torch.device, stream: torch.cuda.Stream) -> None:
        self._device = device
        self._stream = stream
        self._graphs: dict[AnyShape, _Graph] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, model: Model, shape: AnyShape) -> None:
        """Captures a pass of this shape; a replay costs the CPU one launch.

        The slab is all zeros, which is valid: every message is empty, or in rows everything is padding.
        """
        with torch.cuda.stream(self._stream):
            slab = torch.zeros(sum(shape.parts), dtype=torch.int32, device=self._device)
            for _ in range(2):  # libraries allocate and compile in their first calls, which no graph may record
                model(slab, shape)
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other threads may use CUDA.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                logits = model(slab, shape)
            self._graphs[shape] = _Graph(graph, slab, logits)

    def run(self, model: Model, slab: torch.Tensor, shape: AnyShape) -> torch.Tensor:
        """Replays the shape's graph, or calls the model if there is none. The slot's stream is the current one."""
        found = self._graphs.get(shape)
        if found is None:
            return model(slab, shape)
        found.slab.copy_(slab)  # within the device, some microseconds
        found.graph.replay()
        return found.logits
