"""Shows the progress of training: a live bar on a terminal, else plain lines."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainer.models.transformer.training_state import Evaluation


LINE_S: Final = 30.0
"""Seconds between two lines of progress in a file or a pipe."""


class ProgressReporter(Protocol):
    """Receives the progress of the training loop; `steps` is the number of all, which a budget may change."""

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        """Called every few steps, with the loss of the last step and the learning rate of the next."""

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        """Called after each evaluation on the validation rows."""


class Silent:
    """Shows nothing."""

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        """As in ProgressReporter."""

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        """As in ProgressReporter."""


@contextmanager
def reporting() -> Iterator[ProgressReporter]:
    """A reporter on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    with bar(console) as reporter:
        yield reporter


@contextmanager
def bar(console: Console) -> Iterator[ProgressReporter]:
    """A live bar on a terminal, with a line above it for each evaluation."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}  rate {task.fields[rate]}  left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)


class _Bar:
    """For a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, loss="-", rate="-")

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        self._progress.update(self._task, completed=step, total=steps, loss=f"{loss:.3f}", rate=f"{rate:.1e}")

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        self._progress.update(self._task, completed=evaluation.step, total=steps)
        # Rate and loss of the step are in the bar: a line with all of them is longer than 80 columns.
        recall = "" if isnan(evaluation.macro_recall) else f"  macro recall {evaluation.macro_recall:.3f}"
        line = f"{_losses(evaluation)}{recall}{'  best' if best else ''}"
        self._progress.console.print(line, highlight=False)


class Lines:
    """For a file or a pipe: a line per evaluation, and one every LINE_S between them."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._said_at = clock()
        self._first: tuple[int, float] | None = None
        """The first step that was seen, and when: a resumed training does not begin at step 0."""

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        """As in ProgressReporter."""
        left = self._left(step, steps)
        if self._clock() - self._said_at >= LINE_S:
            self._say(f"step {step} of {steps}  loss {loss:.3f}  rate {rate:.1e}{left}")

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        """As in ProgressReporter."""
        self._say(_line(evaluation, best=best) + self._left(evaluation.step, steps))

    def _say(self, line: str) -> None:
        self._said_at = self._clock()
        # rich takes a file for 80 columns wide and would wrap the line.
        self._console.print(line, highlight=False, soft_wrap=True)

    def _left(self, step: int, steps: int) -> str:
        if self._first is None:
            self._first = step, self._clock()
        first, when = self._first
        if step <= first or step >= steps:
            return ""
        left_s = (self._clock() - when) / (step - first) * (steps - step)
        return f"  left {timedelta(seconds=round(left_s))}"


def _line(evaluation: Evaluation, *, best: bool) -> str:
    figures = ""
    if not isnan(evaluation.macro_recall):
        figures = f"  macro recall {evaluation.macro_recall:.3f}  macro F1 {evaluation.macro_f1:.3f}"
    return f"{_losses(evaluation)}  rate {evaluation.rate:.1e}{figures}{'  best' if best else ''}"


def _losses(evaluation: Evaluation) -> str:
    return (
        f"epoch {evaluation.epoch:.1f}  step {evaluation.step}  loss {evaluation.training_loss:.3f}, "
        f"validation {evaluation.validation_loss:.3f}"
    )
