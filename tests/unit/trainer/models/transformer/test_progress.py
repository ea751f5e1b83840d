"""Lines of progress in a file or a pipe: one per evaluation, and one every 30 s between them."""

from __future__ import annotations

import io

from rich.console import Console

from trainer.models.transformer.progress import Lines
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
    assert out.getvalue().splitlines() == ["step 80 of 200  loss 0.700  rate 9.0e-05  about 120 s left"]
    lines.evaluated(EVALUATION, 200, best=True)
    assert out.getvalue().splitlines()[1] == (
        "epoch 1.0  step 100  loss 0.500  rate 1.0e-04  validation loss 0.400  recall 0.800  F1 0.790  best"
        "  about 100 s left"
    )
