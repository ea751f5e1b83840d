"""Where a packed pass is run. All that needs CUDA to be run stands in `CudaSlot`, which has never run on a GPU.

A slot carries one pass at a time, by whichever thread took it.
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
    """Computes at once, in the calling thread."""

    def __init__(self) -> None:
        self._staged = torch.empty(0, dtype=torch.int32)

    def staging(self, numbers: int) -> NDArray[np.int32]:
        """Memory for the next pass's slab; what an earlier call gave is overwritten."""
        if len(self._staged) < numbers:
            self._staged = torch.empty(numbers, dtype=torch.int32)
        return self._staged[:numbers].numpy()

    def run(self, forward: Forward, shape: Shape) -> Logits:
        """Runs the slab that was written to `staging`; blocks until the logits are on the host."""
        logits: Logits = forward(self._staged[: sum(shape.parts)], shape).numpy()
        return logits

    def capture(self, forward: Forward, shape: Shape) -> None:
        """A CPU has nothing to capture: a pass of this shape is run as any other."""


@dataclass(frozen=True, slots=True)
class _Graph:
    """A pass recorded once, and the memory that it reads and writes at every replay."""

    graph: torch.cuda.CUDAGraph
    slab: torch.Tensor
    logits: torch.Tensor


class CudaSlot:
    """A stream, pinned memory for a slab, and graphs of their own, so that several slots keep the device busy.

    One copy to the device and one back per pass; the thread sleeps, without the GIL, until the second is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(device))  # which may still copy the weights
        self._staged = torch.empty(1, dtype=torch.int32, pin_memory=True)
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # Else the waiting thread spins, on a core that the tokenizer needs.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._graphs: dict[Shape, _Graph] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def staging(self, numbers: int) -> NDArray[np.int32]:
        """Pinned memory for the next pass's slab; what an earlier call gave is overwritten.

        Waits until the last pass's slab was copied, which is only to wait for where that pass failed.
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
        """Records a pass of this shape; later ones are replayed, which costs the CPU one launch.

        The slab is all zeros, which is a valid one: every message is empty, or in rows all is padding.
        """
        with torch.cuda.stream(self._stream):
            slab = torch.zeros(sum(shape.parts), dtype=torch.int32, device=self._device)
            for _ in range(2):  # libraries allocate and compile at their first calls, which no graph may record
                forward(slab, shape)
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # The slot's graphs never run at once, so they share memory. Other threads may use CUDA meanwhile.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                logits = forward(slab, shape)
            self._graphs[shape] = _Graph(graph, slab, logits)
