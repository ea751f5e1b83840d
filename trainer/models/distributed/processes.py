"""What a process does that torchrun has started: the first runs the command line, the others its tasks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shared.logs import configure_logs
from trainer.models.distributed.world import is_launched, is_worker, the_world

if TYPE_CHECKING:
    from collections.abc import Callable


def run_process(command: Callable[[], object]) -> None:
    """Runs the command, or in processes of torchrun other than the first what that one sends."""
    if is_launched():
        # Else each process writes a warning for an encoder all of whose weights are used.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if is_worker():
        _work()
        return
    try:
        command()
    except SystemExit as end:
        # After an error torchrun ends the others, which may be waiting anywhere.
        if not end.code:
            _release()
        raise
    _release()


def _work() -> None:
    # Warnings too are those of the first process.
    configure_logs("error")
    world = the_world()
    while task := world.receive():
        world.run(task)
        del task  # its model and rows
    _leave()


def _release() -> None:
    if is_launched():
        the_world().send(None)
        _leave()


def _leave() -> None:
    from torch import distributed  # noqa: PLC0415 - takes seconds

    distributed.destroy_process_group()
