"""The steps of a slot on a GPU, in their order, with fakes of streams, events and graphs.

This shows that the steps fit together, not that CUDA does what they ask for.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from shared.inference.engines.torch.packing import Shape
from shared.inference.engines.torch.slots import CudaSlot

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = Shape(flat=True, slots=4, messages=2, longest=4)
LARGE = Shape(flat=True, slots=8, messages=3, longest=4)


class Steps(list[str]):
    """The calls of the fakes."""

    def event(self, *, blocking: bool = False) -> Any:
        """A blocking event is the one at the end of a pass."""
        name = "done" if blocking else "copied"
        return _Named(
            {step: lambda step=step: self.append(f"{step} {name}") for step in ("record", "synchronize")}
        )

    def stream(self, _: Any) -> Any:
        """Waits for others, or is waited for."""
        return _Named({"wait_stream": lambda _: None, "synchronize": lambda: self.append("synchronize stream")})


class _Named:
    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self.__dict__.update(functions)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Fakes for the parts of `torch.cuda` that a slot uses."""
    found = Steps()
    empty = torch.empty

    def unpinned(*sizes: int, pin_memory: bool = False, **how: Any) -> torch.Tensor:  # noqa: ARG001
        return empty(*sizes, **how)

    monkeypatch.setattr(torch, "empty", unpinned)
    monkeypatch.setattr(torch.cuda, "Stream", found.stream)
    monkeypatch.setattr(torch.cuda, "Event", found.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: _Named({"replay": lambda: found.append("replay")}))
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    return found


def test_a_pass_waits_for_the_last_copy_copies_computes_and_waits_for_its_end(steps: Steps) -> None:
    """The slab is the one that was staged, even after it grew."""
    slot = CudaSlot(torch.device("cpu"))

    def forward(slab: torch.Tensor, shape: Shape) -> torch.Tensor:
        steps.append("forward")
        return slab[: shape.messages].float()

    for shape, first in ((SMALL, 5), (LARGE, 9)):
        steps.clear()
        slot.staging(sum(shape.parts))[:] = first
        assert slot.run(forward, shape).tolist() == [first] * shape.messages
        assert steps == ["synchronize copied", "record copied", "forward", "record done", "synchronize done"]


def test_a_captured_shape_is_replayed_on_the_slab_it_was_captured_with(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shape is computed without a captured graph."""
    slot = CudaSlot(torch.device("cpu"))
    seen: list[torch.Tensor] = []

    def forward(slab: torch.Tensor, shape: Shape) -> torch.Tensor:
        seen.append(slab)
        return slab[: shape.messages].float()

    slot.capture(forward, SMALL)
    assert [slab is seen[0] for slab in seen] == [True] * 3, "twice to warm up, once to record, in one place"
    assert not seen[0].any(), "a slab that is valid whatever the shape"
    (graph,) = slot._graphs.values()  # noqa: SLF001 - what a GPU would replay has to be done here
    monkeypatch.setattr(graph.graph, "replay", lambda: graph.logits.copy_(graph.slab[: SMALL.messages]))
    steps.clear()
    slot.staging(sum(SMALL.parts))[:] = 7
    assert slot.run(forward, SMALL).tolist() == [7, 7]
    assert len(seen) == 3, "not computed but replayed"
    assert steps == ["synchronize copied", "record copied", "record done", "synchronize done"]
    slot.staging(sum(LARGE.parts))[:] = np.arange(sum(LARGE.parts))
    assert slot.run(forward, LARGE).tolist() == [0, 1, 2]
    assert len(seen) == 4
