"""The processes of a training: the first one runs the command, the others compute with it.

The first process reads the data, decides, evaluates, saves and reports. It sends each task, with all that the task
needs, to the others, and runs it at the same time as they do. So nothing is read, downloaded or written twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.errors import SentimentError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LAUNCHED: Final = "TORCHELASTIC_RUN_ID"
"""torchrun sets it."""
COMMANDS: Final = ("train", "adapt")
"""The commands that run in several processes."""
WAIT: Final = timedelta(days=30)
"""Time that a process waits for another, as long as the largest --budget: the first may read data for hours while
the others wait. torchrun ends all when one has ended."""
_LOOPBACK: Final = "lo"
_OF_THE_GROUP: Final = ("gloo", "nccl")
"""Words in the messages of errors that torch raises if another process is gone; their type is RuntimeError."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those of a training; without torchrun it is the only one."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of this machine; it computes on the GPU of that number."""
    is_group: bool = False
    """Whether there is a process group of torch, even if of one process."""

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which runs the command."""
        return self.rank == 0

    def send(self, task: Callable[[World], object] | None) -> None:
        """Gives the other processes a task, or with None tells them to end. Called by the first one."""
        if self.size > 1:
            self._broadcast(task)

    def receive(self) -> Callable[[World], object] | None:
        """The next task; None: there is no other. Called by the others."""
        task: Callable[[World], object] | None = self._broadcast(None)
        return task

    def decide(self, function: Callable[[], T]) -> T:
        """What `function` returns in the first process, in which alone it runs. All processes call this."""
        if self.size == 1:
            return function()
        decided: T = self._broadcast(function() if self.leads else None)
        return decided

    def use(self, device: str) -> None:
        """Makes `cuda` mean the GPU of this process."""
        if self.is_group and device == "cuda":
            import torch  # noqa: PLC0415 - takes seconds

            torch.cuda.set_device(self.local_rank)

    def run(self, task: Callable[[World], T]) -> T:
        """Runs a task here; raises SentimentError if another process has ended meanwhile."""
        try:
            return task(self)
        except RuntimeError as error:
            if self.size > 1 and any(word in str(error).lower() for word in _OF_THE_GROUP):
                raise SentimentError(
                    f"process {self.rank} of {self.size} ends, because another process of this training has "
                    "ended; the error of that one is in the lines around this one, if it had the time to write it"
                ) from error
            raise

    def _broadcast(self, value: Any) -> Any:
        from torch import distributed  # noqa: PLC0415 - takes seconds

        # Pickled by torch, between processes of one training only.
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]


ALONE: Final = World()


def is_launched() -> bool:
    """Whether torchrun has started this process."""
    return LAUNCHED in os.environ


def is_worker() -> bool:
    """Whether this process is one of torchrun's other than the first."""
    return is_launched() and int(os.environ["RANK"]) > 0


@cache
def the_world() -> World:
    """The processes of this training, which meet in the first call; ALONE without torchrun."""
    if not is_launched():
        return ALONE
    import torch  # noqa: PLC0415 - takes seconds
    from torch import distributed  # noqa: PLC0415

    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if int(os.environ["LOCAL_WORLD_SIZE"]) == size and os.path.exists(f"/sys/class/net/{_LOOPBACK}"):  # noqa: PTH110
        # Else gloo takes the address of the host's name, which other machines may reach.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK)
    # Gradients on GPUs go by nccl, and all that is on a CPU by gloo: the tasks, and gradients there.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=WAIT)
    return World(rank, size, local, is_group=True)


def check_devices(device: str) -> None:
    """Raises SettingsError if torchrun has started more processes here than there are GPUs for."""
    import torch  # noqa: PLC0415 - takes seconds

    if not is_launched() or device != "cuda":
        return
    started, there = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if started > there:
        raise SettingsError(
            f"torchrun started {started} processes on this machine, which has {there} GPUs: lower "
            "--nproc-per-node, or train with --device cpu"
        )


def refuse_other_commands(command: str | None) -> None:
    """Raises SettingsError if torchrun runs another command than those of COMMANDS."""
    if is_launched() and command not in COMMANDS:
        raise SettingsError(
            f"torchrun is for {' and '.join(COMMANDS)}; run sentiment-trainer {command} without it"
        )
