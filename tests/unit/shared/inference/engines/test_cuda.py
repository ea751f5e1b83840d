"""The steps of a slot on a GPU, in their order, with fakes of streams and events.

This shows that the steps fit together, not that CUDA does what they ask for.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.inference.engines.torch.cuda import CudaSlot
from tests.support.packed import Steps, fake_cuda


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Fakes for the parts of `torch.cuda` that a slot uses."""
    return fake_cuda(monkeypatch)


def test_a_pass_waits_for_the_last_copy_copies_computes_and_waits_for_its_end(steps: Steps) -> None:
    """The model gets the slab that was handed in, also after a shorter and after a longer one."""
    slot = CudaSlot(torch.device("cpu"))

    def forward(slab: torch.Tensor) -> torch.Tensor:
        steps.append("forward")
        return slab.float()

    for length in (4, 8, 3):
        steps.clear()
        slab = np.arange(length, dtype=np.int32) + length
        assert slot.run(forward, slab).tolist() == slab.tolist()
        assert steps == ["synchronize copied", "record copied", "forward", "record done", "synchronize done"]
