"""All code of packed passes that needs a GPU.

Tests pass another `Hardware` to the engine, and try the steps of `CudaSlot` with fakes of streams and events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from shared.inference.engines.base import Logits
    from shared.inference.engines.torch.packed_model import Attention

    Forward = Callable[[torch.Tensor], torch.Tensor]
    """Logits in fp32 from a slab, both on the device."""

TOLERANCE: Final = 0.05
"""Maximum difference of a logit in bf16 from fp32, as a share of the largest logit (or of 1)."""


class Slot(Protocol):
    """Runs one pass at a time, for the thread that took it."""

    def run(self, forward: Forward, slab: NDArray[np.int32]) -> Logits:
        """Copies the slab to the device and computes; blocks until the logits are on the host."""
        ...


@dataclass(frozen=True, slots=True)
class Hardware:
    """What packed passes run on."""

    device: torch.device
    name: str
    """For display."""
    dtype: torch.dtype
    """Of weights and activations."""
    tolerance: float
    """Maximum difference from fp32 at which the hardware is trusted; see `TOLERANCE`."""
    attention: Attention
    new_slot: Callable[[], Slot]


def cuda(device: torch.device) -> Hardware:
    """A GPU, in bf16. `varlen_attn` refuses those of a compute capability below 8.0, which also lack bf16."""
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - takes 4 s, since it imports torch._dynamo

    name = torch.cuda.get_device_name(device)
    attention = cast("Attention", varlen_attn)
    return Hardware(device, name, torch.bfloat16, TOLERANCE, attention, lambda: CudaSlot(device))


class CudaSlot:
    """Has its own stream and pinned memory for a slab, so that several slots keep the device busy.

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

    def run(self, forward: Forward, slab: NDArray[np.int32]) -> Logits:
        """See `Slot`."""
        self._copied.synchronize()  # takes time only if the last pass failed before its end
        if len(self._staged) < len(slab):
            self._staged = torch.empty(len(slab), dtype=torch.int32, pin_memory=True)
        staged = self._staged[: len(slab)]
        staged.numpy()[:] = slab
        with torch.cuda.stream(self._stream):
            on_device = staged.to(self._device, non_blocking=True)
            self._copied.record()
            answer = forward(on_device).to("cpu", non_blocking=True)  # torch pins the memory of such copies
            self._done.record()
        self._done.synchronize()
        logits: Logits = answer.numpy()
        return logits
