"""The screen fits 80 columns, and no name from a topic, a model or a process controls the terminal."""

from __future__ import annotations

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from consumer import metrics
from consumer.monitoring.values import Values
from consumer.top.history import History
from consumer.top.view import screen
from shared.http.scrape import NoAnswer, Snapshot, Target
from tests.unit.consumer.top.exposing import snapshot

HOSTILE = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["\x1b[2J\x1b]0;owned\x07", "[bold red]x[/]", "\u202egnp", "a\nb\tc", "\u200b" * 9, "字" * 40, "x" * 500]
)
NUMBERS = st.floats(min_value=0)


def rendered(view_of: History, answers: list[Snapshot | NoAnswer], width: int = 80, *, lines: bool = True) -> str:
    """The screen without colours."""
    console = Console(file=(out := io.StringIO()), width=width, force_terminal=True, color_system=None)
    console.print(screen(view_of.add(answers), width=width, lines=lines))
    return out.getvalue()


def _busy(label: str, number: float) -> Snapshot:
    values = Values()
    values.set(metrics.MODEL_INFO, 1, label, label, "torch", "cpu")
    values.add(metrics.LABELS, number, "1", label)
    values.add(metrics.MESSAGES, number, "result")
    values.add(metrics.DEAD_LETTERS, number, "decode", label)
    values.set(metrics.DRIFT_STATISTIC, number, label, "psi")
    values.set(metrics.DRIFT_THRESHOLD, 0.1, label, "psi")
    values.set(metrics.INFLIGHT_BYTES, number)
    return snapshot(9, values=values)


@given(HOSTILE, NUMBERS, st.integers(80, 200), st.booleans())
def test_any_name_and_number_fits_and_controls_nothing(name: str, number: float, width: int, lines: bool) -> None:
    """Given hostile labels, reasons and hosts, then no line is too wide and nothing controls the terminal."""
    history = History([Target(name, 9464), Target("127.0.0.1", 9465)])
    history.add([snapshot(0), snapshot(0)])
    text = rendered(history, [_busy(name, number), NoAnswer("is not there")], width, lines=lines)
    for line in text.splitlines():
        assert cell_len(line) <= width
    assert not {unicodedata.category(char) for char in text.replace("\n", "")} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert "\u202e" not in text


def test_everything_is_there_at_80_columns() -> None:
    """Given a stream with everything, then each of the four questions has its answer, and nothing is cut."""
    history, values = History([Target("127.0.0.1", 9464)]), Values()
    history.add([snapshot(0, values=values)])
    for label, share in (("negative", 22), ("neutral", 41), ("positive", 37)):
        values.add(metrics.LABELS, share, "1", label)
    values.add(metrics.MESSAGES, 100, "result")
    values.add(metrics.DEAD_LETTERS, 2, "decode", "NotJson")
    values.add(metrics.MESSAGES, 2, "dead_letter")
    values.observe(metrics.END_TO_END, 0.3)
    values.set(metrics.DRIFT_STATISTIC, 0.12, "labels", "psi")
    values.set(metrics.DRIFT_THRESHOLD, 0.08, "labels", "psi")
    values.add(metrics.RECOVERIES, 1, "failed")
    values.add(metrics.HTTP_REQUESTS, 3, "200", "")
    values.add(metrics.HTTP_REQUESTS, 1, "429", "busy")
    values.observe(metrics.HTTP_SECONDS, 0.05)
    text = rendered(history, [snapshot(2, values=values)])
    for expected in (
        "1 of 1 processes answer",
        "▼ negative 22 %, ● neutral 41 %, ▲ positive 37 %",
        "times its threshold: labels 1.5",
        "2/s, 99 % 50 ms, no scores 25 %",
        "decode NotJson 2",
        "recoveries 1",
        "127.0.0.1:9464",
    ):
        assert expected in text
    assert "…" not in text


def test_without_lines_there_is_nothing_but_ascii() -> None:
    """Given no terminal, then the signs of labels are all that is not ASCII."""
    text = rendered(History([Target("127.0.0.1", 9464)]), [snapshot(0)], lines=False)
    assert text.isascii()
