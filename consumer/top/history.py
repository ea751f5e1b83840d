"""The snapshots of the last seconds of each process, and the line of past figures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consumer import metrics
from consumer.top.figures import Figures, figures, lag, now
from consumer.top.window import Span, Window
from shared.http.scrape import NoAnswer, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.http.scrape import Target

WINDOW_S: Final = 30.0
"""Seconds over which rates, means and shares are taken: publishes of a quiet stream may be seconds apart."""
POINTS: Final = 60
"""Past figures that are kept."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process now."""

    name: str
    trouble: str
    """Why it does not answer; empty where it does."""
    records_s: float | None = None
    lag_records: float | None = None
    lag_s: float | None = None
    partitions: float | None = None
    memory_bytes: float | None = None
    started_s: float | None = None
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown at one moment."""

    now: Figures
    past: Sequence[Figures]
    """From the oldest; each of the time since the one before it."""
    processes: Sequence[Process]


class History:
    """Takes answers of the same targets again and again."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._kept: list[deque[Snapshot]] = [deque() for _ in targets]
        self._past: deque[Figures] = deque(maxlen=POINTS)

    def add(self, answers: Sequence[Snapshot | NoAnswer]) -> View:
        """Takes the answers in the order of the targets."""
        for kept, answer in zip(self._kept, answers, strict=True):
            if isinstance(answer, Snapshot):
                kept.append(answer)
                while kept[0].at_s < answer.at_s - WINDOW_S and len(kept) > 2:  # noqa: PLR2004 - a span
                    kept.popleft()
        alive = [kept for kept, answer in zip(self._kept, answers, strict=True) if isinstance(answer, Snapshot)]
        newest = [kept[-1] for kept in alive]
        last = [Span(kept[-2], kept[-1]) for kept in alive if len(kept) > 1]
        if last:
            self._past.append(figures(Window(last), newest))
        whole = Window([Span(kept[0], kept[-1]) for kept in alive])
        processes = [
            _process(target.name, kept, answer)
            for target, kept, answer in zip(self._targets, self._kept, answers, strict=True)
        ]
        return View(figures(whole, newest), tuple(self._past), processes)


def _process(name: str, kept: Sequence[Snapshot], answer: Snapshot | NoAnswer) -> Process:
    if isinstance(answer, NoAnswer):
        return Process(name, str(answer))
    newest = [answer]
    return Process(
        name,
        "",
        Window([Span(kept[0], answer)]).rate(metrics.MESSAGES),
        lag(newest, metrics.LAG_RECORDS, sum),
        lag(newest, metrics.LAG_SECONDS, max),
        now(newest, metrics.OWNED, sum),
        _plain(answer, "process_resident_memory_bytes"),
        _plain(answer, "process_start_time_seconds"),
    )


def _plain(snapshot: Snapshot, name: str) -> float | None:
    values: Iterable[float] = snapshot.samples.get(name, {}).values()
    return next(iter(values), None)
