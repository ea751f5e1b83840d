"""Shows the progress of training: a live bar on a terminal, else one plain line per evaluation."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.models.transformer.training_state import Evaluation


class ProgressReporter(Protocol):
    """Receives the progress of the training loop."""

    def step(self, step: int, loss: float, rate: float) -> None:
        """Called every few steps, with the loss of the last step and the learning rate of the next."""

    def evaluated(self, evaluation: Evaluation, *, best: bool) -> None:
        """Called after each evaluation on the validation rows."""


@contextmanager
def reporting(steps: int) -> Iterator[ProgressReporter]:
    """A reporter on standard error for a training of at most `steps` steps."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console, steps)
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}  rate {task.fields[rate]}  recall {task.fields[recall]}  left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, steps)


class _Bar:
    """For a terminal."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=steps, loss="-", rate="-", recall="-")

    def step(self, step: int, loss: float, rate: float) -> None:
        self._progress.update(self._task, completed=step, loss=f"{loss:.3f}", rate=f"{rate:.1e}")

    def evaluated(self, evaluation: Evaluation, *, best: bool) -> None:
        self._progress.update(self._task, completed=evaluation.step, recall=f"{evaluation.macro_recall:.3f}")
        self._progress.console.print(_line(evaluation, best=best), highlight=False)


class _Lines:
    """For a file or a pipe."""

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        self._steps = steps
        self._began = time.monotonic()

    def step(self, step: int, loss: float, rate: float) -> None:
        """Writes nothing: a line per step would fill a log."""

    def evaluated(self, evaluation: Evaluation, *, best: bool) -> None:
        pace_s = (time.monotonic() - self._began) / evaluation.step
        left = f"  about {pace_s * (self._steps - evaluation.step):.0f} s left"
        # rich takes a file for 80 columns wide and would wrap the line.
        self._console.print(_line(evaluation, best=best) + left, highlight=False, soft_wrap=True)


def _line(evaluation: Evaluation, *, best: bool) -> str:
    return (
        f"epoch {evaluation.epoch:.1f}  step {evaluation.step}  loss {evaluation.training_loss:.3f}  "
        f"rate {evaluation.rate:.1e}  validation recall {evaluation.macro_recall:.3f}  "
        f"F1 {evaluation.macro_f1:.3f}{'  best' if best else ''}"
    )
