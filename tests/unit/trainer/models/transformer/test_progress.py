"""Progress: a bar on a terminal; in a file or a pipe a line per evaluation, and one every 30 s between them."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from trainer.models.transformer.progress import Lines, bar
from trainer.models.transformer.training_state import Evaluation

EVALUATION = Evaluation(
    step=100, epoch=1, training_loss=0.5, rate=1e-4, validation_loss=0.4, macro_recall=0.8, macro_f1=0.79
)


def test_a_line_comes_every_30_seconds_with_the_time_left() -> None:
    """Also of a resumed training, which does not begin at step 0; an evaluation has its line in any case."""
    now = 1_000.0
    out = io.StringIO()
    lines = Lines(Console(file=out), lambda: now)
    for step in range(50, 100, 10):
        lines.step(step, 200, 0.7, 9e-5)
        now += 10
    assert out.getvalue().splitlines() == ["step 80 of 200  loss 0.700  rate 9.0e-05  left 0:02:00"]
    lines.evaluated(EVALUATION, 200, best=True)
    assert out.getvalue().splitlines()[1] == (
        "epoch 1.0  step 100  loss 0.500, validation 0.400  rate 1.0e-04  macro recall 0.800  macro F1 0.790  best"
        "  left 0:01:40"
    )


def test_on_a_terminal_of_80_columns_each_evaluation_is_one_line() -> None:
    """Also the twelfth epoch of a long training."""
    out = io.StringIO()
    with bar(Console(file=out, width=80, force_terminal=True, color_system=None)) as reporter:
        reporter.evaluated(replace(EVALUATION, step=12_345, epoch=12.5), 20_000, best=True)
    found = [line for line in out.getvalue().splitlines() if "epoch" in line]
    line = "epoch 12.5  step 12345  loss 0.500, validation 0.400  macro recall 0.800  best"
    assert [one.removeprefix("\x1b[2K").strip() for one in found] == [line]
