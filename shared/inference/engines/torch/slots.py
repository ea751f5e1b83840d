"""Slots, which run packed passes. All code that needs CUDA is in `CudaSlot`, which has never run on a GPU.

A slot runs one pass at a time, for the thread that took it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from shared.inference.engines.base import Logits
    from shared.inference.engines.torch.packing import Shape

    Forward = Callable[[torch.Tensor, Shape], torch.Tensor]
    """Logits in fp32 from a slab, both on the device."""


class CpuSlot:
    """Computes in the calling thread."""

    def __init__(self) -> None:
        self._staged = torch.empty(0, dtype=torch.int32)

    def staging(self, numbers: int) -> NDArray[np.int32]:
        """Memory for the slab of the next pass, `[numbers]` int32; shared with earlier calls."""
        if len(self._staged) < numbers:
            self._staged = torch.empty(numbers, dtype=torch.int32)
        return self._staged[:numbers].numpy()

    def run(self, forward: Forward, shape: Shape) -> Logits:
        """Runs the slab that was written to `staging`; blocks until the logits are on the host."""
        logits: Logits = forward(self._staged[: sum(shape.parts)], shape).numpy()
        return logits

    def capture(self, forward: Forward, shape: Shape) -> None:
        """Does nothing: a CPU has no graphs."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """A captured pass, and the memory that every replay reads and writes."""

    graph: torch.cuda.CUDAGraph
    slab: torch.Tensor
    logits: torch.Tensor


class CudaSlot:
    """Has its own stream, pinned memory for a slab, and graphs, so that several slots keep the device busy.

    A pass makes one copy to the device and one back; the thread sleeps, without the GIL, until the second is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(device))  # which may still copy the weights
        self._staged = torch.empty(1, dtype=torch.int32, pin_memory=True)
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # Otherwise the waiting thread spins on a core that the tokenizer needs.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._graphs: dict[Shape, _Graph] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def staging(self, numbers: int) -> NDArray[np.int32]:
        """Pinned memory for the slab of the next pass, `[numbers]` int32; shared with earlier calls.

        Waits until the slab of the last pass is copied, which takes time only if that pass failed.
        """
        self._copied.synchronize()
        if len(self._staged) < numbers:
            self._staged = torch.empty(numbers, dtype=torch.int32, pin_memory=True)
        return self._staged[:numbers].numpy()

    def run(self, forward: Forward, shape: Shape) -> Logits:
        """Runs the slab that was written to `staging`; blocks until the logits are on the host."""
        staged = self._staged[: sum(shape.parts)]
        graph = self._graphs.get(shape)
        with torch.cuda.stream(self._stream):
            slab = (
                torch.empty(len(staged), dtype=staged.dtype, device=self._device) if graph is None else graph.slab
            )
            slab.copy_(staged, non_blocking=True)
            self._copied.record()
            if graph is None:
                logits = forward(slab, shape)
            else:
                graph.graph.replay()
                logits = graph.logits
            answer = logits.to("cpu", non_blocking=True)  # into pinned memory, as torch does for such copies
            self._done.record()
        self._done.synchronize()
        host: Logits = answer.numpy()
        return host

    def capture(self, forward: Forward, shape: Shape) -> None:
        """Captures a pass of this shape; later ones are replayed, which costs the CPU one launch.

        The slab is all zeros, which is valid: every message is empty, or in rows everything is padding.
        """
        with torch.cuda.stream(self._stream):
            slab = torch.zeros(sum(shape.parts), dtype=torch.int32, device=self._device)
            for _ in range(2):  # libraries allocate and compile in their first calls, which no graph may record
                forward(slab, shape)
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # The slot's graphs never run at the same time, so they share memory. Other threads may use CUDA.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                logits = forward(slab, shape)
            self._graphs[shape] = _Graph(graph, slab, logits)
