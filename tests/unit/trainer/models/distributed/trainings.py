"""Run by torchrun: trainings in two processes, whose weights the test compares with those of one.

    torchrun --nproc-per-node 2 -m tests.unit.trainer.models.distributed.trainings BASE FOLDER

FOLDER has `one.safetensors`, a checkpoint that a training in one process has left on its way.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from safetensors.torch import save_file

from tests.unit.trainer.models.transformer.config import CONFIG
from tests.unit.trainer.models.transformer.test_finetune import LABELS, Silence, made_up, trained
from trainer.models.distributed.processes import run_process
from trainer.models.distributed.world import ALONE, the_world
from trainer.models.transformer.base import load_base
from trainer.models.transformer.checkpoint import Checkpoint
from trainer.models.transformer.encoding import encode
from trainer.models.transformer.finetune import Saving
from trainer.models.transformer.schedule.budget import Stopwatch

if TYPE_CHECKING:
    from trainer.models.distributed.world import World
    from trainer.models.transformer.training_state import Evaluation

IDENTITY: Final = "this training"
# Passes of 15 rows and a last one of 5, updates of two passes: rows do not divide evenly by two processes.
SETTINGS: Final = replace(CONFIG, epochs=2, batch_size=15, accumulate=2, learning_rate=1e-3)
ROWS: Final = 485
DROPOUT: Final = 0.3


class Copying(Silence):
    """Copies the checkpoint of the first evaluation, as a process leaves it that is killed after it."""

    def __init__(self, checkpoint: Path, copy: Path) -> None:
        self._paths = checkpoint, copy
        self._count = 0

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:  # noqa: ARG002
        """Called before the checkpoint of this evaluation is written."""
        self._count += 1
        if self._count == 2:
            shutil.copyfile(*self._paths)


def run(
    base: Path, folder: Path, name: str, *, dropout: float = 0.0, start: str | None = None, world: World = ALONE
) -> dict[str, torch.Tensor]:
    """A training, from the checkpoint `start` or from the beginning; its own is left in `NAME.safetensors`."""
    path = folder / f"{name}.running.safetensors"
    if start:
        shutil.copyfile(folder / f"{start}.safetensors", path)
    _, weights = trained(
        base,
        SETTINGS,
        Copying(path, folder / f"{name}.safetensors"),
        rows=ROWS,
        dropout=dropout,
        saving=Saving(Checkpoint(path, IDENTITY, world.size)),
        world=world,
    )
    return weights


def main() -> None:
    """The trainings of the first process; the other one follows."""
    base, folder = map(Path, sys.argv[1:])
    world = the_world()
    found = {
        "two": run(base, folder, "two", world=world),
        "one then two": run(base, folder, "then", start="one", world=world),
        "dropout": run(base, folder, "dropout", dropout=DROPOUT, world=world),
        "dropout resumed": run(base, folder, "resumed", dropout=DROPOUT, start="dropout", world=world),
    }
    for name, weights in found.items():
        save_file({key: tensor.contiguous() for key, tensor in weights.items()}, folder / f"{name}.weights")
    loaded = load_base(str(base), None, LABELS, base)
    rows = encode(loaded.tokenizer, made_up(ROWS, ROWS), 32)
    paces = Stopwatch(loaded.model, rows, rows.take(50), SETTINGS, "cpu", world=world).paces(16, 60.0)
    (folder / "paces").write_text(str(len(paces)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_process(main)
