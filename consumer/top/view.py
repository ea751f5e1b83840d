"""The screen: four questions and the processes. Names come from topics and model folders, so they are escaped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from consumer.top.history import WINDOW_S
from consumer.top.quantities import NONE, count, percent, seconds, size, sparkline
from shared.terminal import SIGNS, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rich.console import RenderableType

    from consumer.top.figures import Figures
    from consumer.top.history import Process, View

NAME: Final = 13
"""Columns of the names."""
VALUE: Final = 36
"""Columns of the values, where a line of blocks follows."""
LABELS: Final = 5
"""Most labels or reasons in one line."""
CUT: Final = 24
"""Most characters of a name of others."""
LATE_S: Final = 60.0
LAG_S: Final = 300.0
"""As of the alert SentimentLagSeconds."""
DEAD: Final = 0.01
"""As of the alert SentimentDeadLetters."""

_BAD: Final = "bold #D55E00"
_DOUBTFUL: Final = "#E69F00"


def screen(view: View, *, width: int, lines: bool) -> RenderableType:
    """Everything, `width` columns wide; with `lines`, sparklines of the past next to the values."""
    room = width - NAME - VALUE - 1 if lines else 0
    return Group(_title(view), *_sections(view, room), _processes(view.processes, width))


def _title(view: View) -> Text:
    answering = sum(not one.trouble for one in view.processes)
    title = Text(
        f"{answering} of {len(view.processes)} processes answer", style="bold", no_wrap=True, overflow="ellipsis"
    )
    for model in view.now.models[:2]:
        title.append(" · ", style="dim").append_text(_name(model, 60))
    return title


def _sections(view: View, room: int) -> Iterator[RenderableType]:
    now = view.now

    def row(
        name: str, value: str | Text, past: Callable[[Figures], float | None] | None = None, bad: str = ""
    ) -> Text:
        line = Text(name.ljust(NAME), no_wrap=True, overflow="ellipsis")
        line.stylize("dim")
        shown = value if isinstance(value, Text) else Text(value, style=bad)
        if past is None or room <= 0:
            return line.append_text(shown)
        shown.truncate(VALUE, overflow="ellipsis", pad=True)
        blocks = sparkline([past(one) for one in view.past], room)
        return line.append_text(shown).append(" ").append(blocks, style="#0072B2")

    behind = _BAD if (now.lag_s or 0) > LAG_S else _DOUBTFUL if (now.lag_s or 0) > LATE_S else ""
    yield _heading("Keeping up").append(
        f"  rates, means and shares are those of {WINDOW_S:.0f} s", style="not bold dim"
    )
    yield row("records/s", count(now.records_s), lambda one: one.records_s)
    yield row("lag", f"{count(now.lag_records)} records", lambda one: one.lag_records)
    yield row("behind", seconds(now.lag_s), lambda one: one.lag_s, behind)
    yield row("in hand", f"{count(now.inflight_rows)} records, {size(now.inflight_bytes)}")
    yield _heading("Fast")
    yield row("to commit", f"median {seconds(now.median_s)}, 99 % {seconds(now.p99_s)}", lambda one: one.p99_s)
    passes = f"{count(now.pass_rows)} texts, {count(now.pass_tokens)} tokens, {seconds(now.pass_s)}"
    yield row("a pass", passes, lambda one: one.pass_s)
    yield row("device", _device(now), lambda one: one.busy)
    if now.http_s:
        asked = f"{count(now.http_s)}/s, 99 % {seconds(now.http_p99_s)}, no scores {percent(now.http_failed)}"
        yield row("HTTP", asked, lambda one: one.http_s)
    yield row("saved", f"padding {percent(now.padding)}, cache hits {percent(now.cached)}")
    yield _heading("Right")
    yield row("labels", _labels(now.labels))
    yield row("confidence", percent(now.confidence), lambda one: one.confidence)
    yield row("doubt", f"uncertain {percent(now.uncertain)}, not understood {percent(now.unknown)}")
    yield row("long texts", f"in segments {percent(now.segmented)}, cut {percent(now.truncated)}")
    yield row("drift", _drift(now.drift))
    dead = _BAD if (now.dead_share or 0) > DEAD else _DOUBTFUL if now.dead_share else ""
    yield row("dead letters", percent(now.dead_share), lambda one: one.dead_share, dead)
    yield _heading("What happened, since the processes began")
    yield row("dead letters", _counts(now.dead_letters))
    yield row("events", _counts({name: number for name, number in now.events.items() if number}))


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _name(text: str, most: int = CUT) -> Text:
    return printable(text, most)


def _device(now: Figures) -> str:
    parts = [f"{count(now.busy)} passes at once"]
    if now.gpu_use is not None:
        parts.append(f"GPU {percent(now.gpu_use)}")
    if now.gpu_memory is not None:
        parts.append(f"memory {percent(now.gpu_memory)}")
    return ", ".join(parts)


def _listed(items: Iterable[Text], number: int) -> Text:
    shown = list(items)
    if number > len(shown):
        shown.append(Text(f"{number - len(shown)} more"))
    return Text(", ").join(shown) if shown else Text(NONE)


def _labels(labels: Mapping[str, float]) -> Text:
    def one(label: str, share: float) -> Text:
        sign, colour = SIGNS.get(label, ("", ""))
        return (
            Text(f"{sign} " if sign else "", style=colour).append_text(_name(label)).append(f" {percent(share)}")
        )

    # The most frequent ones, in an order that does not change while people look.
    shown = sorted(list(labels.items())[:LABELS])
    return _listed((one(label, share) for label, share in shown), len(labels))


def _drift(drift: Mapping[str, float]) -> Text:
    """What is nearest to its threshold, or above it."""

    def one(name: str, ratio: float) -> Text:
        return _name(name).append(f" {ratio:.2g}", style=_BAD if ratio > 1 else "")

    if not drift:
        return Text("not compared")
    found = _listed((one(name, ratio) for name, ratio in list(drift.items())[:3]), len(drift))
    return Text("times its threshold: ").append_text(found)


def _counts(counts: Mapping[str, float]) -> Text:
    if not counts:
        return Text("none")
    named = (_name(name, 40).append(f" {count(number)}") for name, number in list(counts.items())[:LABELS])
    return _listed(named, len(counts))


def _processes(processes: Iterable[Process], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), width=width, header_style="bold")
    table.add_column("Process", no_wrap=True, ratio=1)
    for name in ("records/s", "lag", "behind", "partitions", "memory", "up for"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in processes:
        shown = _name(one.name, 40)
        if one.trouble:
            table.add_row(shown.append(" ").append(one.trouble, style=_BAD))
            continue
        up_s = None if one.started_s is None else max(0.0, time.time() - one.started_s)
        cells = (count(one.records_s), count(one.lag_records), seconds(one.lag_s), count(one.partitions))
        table.add_row(shown, *cells, size(one.memory_bytes), seconds(up_s))
    return table
