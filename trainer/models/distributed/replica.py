"""One process's copy of the model: which rows of a pass are its own, and how gradients become those of all rows.

DistributedDataParallel of torch averages the gradients. The rows of each pass are divided over the processes, so
an update has the rows, and the gradient, that it would have in one process.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from trainer.data.examples import IntArray
    from trainer.models.distributed.world import World


@dataclass(frozen=True, slots=True)
class Replica:
    """The model as this process runs it in training."""

    forward: Any
    """The model, or what torch has made of it for several processes."""
    rank: int = 0
    size: int = 1

    @classmethod
    def of(cls, model: Any, world: World) -> Replica:
        """Call once the model is on its device; the weights of the first process are copied to all."""
        if not world.is_group:
            return cls(model)
        on_gpu = next(model.parameters()).is_cuda
        # Some architectures have weights that no classifier uses, such as a pooler: without the search for them
        # torch would wait for their gradients.
        parallel = DistributedDataParallel(
            model, device_ids=[world.local_rank] if on_gpu else None, find_unused_parameters=True
        )
        return cls(parallel, world.rank, world.size)

    def own(self, rows: IntArray) -> tuple[IntArray, float]:
        """The rows of a pass that are this process's, and the factor of their loss.

        Rows of a pass are sorted by length, so every process gets long and short ones. The factor makes the sum
        over processes of their mean; one without rows takes part with another's, which then counts nothing.
        """
        mine = rows[self.rank :: self.size]
        return (mine, float(self.size)) if len(mine) else (rows[:1], 0.0)

    def passing(self, *, last: bool) -> AbstractContextManager[None]:
        """The context of a pass and its gradients; only those of the last one of an update are exchanged."""
        if last or not isinstance(self.forward, DistributedDataParallel):
            return nullcontext()
        waiting: AbstractContextManager[None] = self.forward.no_sync()
        return waiting

    def total(self, own: torch.Tensor) -> torch.Tensor:
        """The loss of all rows, from the losses of the processes with their factors."""
        if self.size > 1:
            distributed.all_reduce(own)
            own /= self.size
        return own

    def seed(self, seed: int, step: int) -> None:
        """Gives each process dropout of its own, which follows from seed and step alone.

        So a resumed training needs no random state of a process that may not be there any more. A process that is
        alone goes on with the one state that it has.
        """
        if self.size > 1:
            (chosen,) = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)
            torch.manual_seed(int(chosen))
