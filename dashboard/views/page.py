"""One frame of the page: all that a viewer's selection shows, as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dashboard.views import mood, quality
from dashboard.views.review import review
from dashboard.views.sample import sample
from dashboard.views.selection import Selection, Stretch, stretch_of
from dashboard.views.totals import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.views.totals import Table
    from dashboard.window.window import Contents

RATE_S: Final = 60
"""Seconds over which the rate is taken."""
DIMENSIONS: Final = ("topic", "model", "group")


def frame(
    contents: Contents, selection: Selection, now_s: float, *, polarity: Mapping[str, int]
) -> dict[str, Any]:
    """What the window says of a selection; terms are left to `views.topics`, which takes longer."""
    stretch = stretch_of(selection, now_s)
    chosen = table(contents.sums, stretch, selection)
    earlier = table(contents.sums, stretch.before, selection)
    labels = quality.labels_of(contents.sums.rows.keys)
    signs = mood.polarity_of(labels, polarity)
    return {
        "now_ms": round(now_s * 1000),
        "start_s": stretch.start_s,
        "end_s": stretch.end_s,
        "width_s": stretch.width_s,
        "labels": _ordered(labels, signs),
        "polarity": signs,
        "series": {label: counts.tolist() for label, counts in chosen.series().items()},
        "counts": chosen.by_label(),
        "mood": _mood(contents, stretch, chosen, earlier, signs),
        "rate": _rate(contents, selection, now_s),
        "latency": quality.latency(chosen),
        "confidence": quality.confidence(chosen),
        "splits": {name: quality.split(chosen, name) for name in DIMENSIONS},
        "letters": quality.letters(contents, stretch),
        "models": [{"name": name, "first_ms": first} for name, first in contents.models.items()],
        "sample": sample(contents.recent, selection),
        "review": review(contents.review) if contents.reviewed else None,
        "read": {
            "results": contents.counts.results,
            "letters": contents.counts.letters,
            "receipts": contents.counts.receipts,
            "unreadable": contents.counts.unreadable,
            "outside": contents.sums.levels[-1].outside,
            "expired": contents.sums.levels[-1].expired,
            "last_ms": round(contents.last_read_s * 1000),
        },
    }


def _ordered(labels: list[str], signs: Mapping[str, int] | None) -> list[str]:
    """Labels from negative to positive, where they have a polarity."""
    return sorted(labels, key=lambda label: (signs or {}).get(label, 0))


def _mood(
    contents: Contents, stretch: Stretch, chosen: Table, earlier: Table, signs: Mapping[str, int] | None
) -> dict[str, Any]:
    before = earlier.by_label() if _is_complete(contents, stretch.before) else None
    found: dict[str, Any] = {"before": before, "net": None, "net_before": None, "trend": None, "since": None}
    if signs is None:
        return found
    now, past = mood.net(chosen.by_label(), signs), mood.net(before, signs) if before else None
    times = [stretch.start_s + number * stretch.width_s for number in range(stretch.buckets)]
    return found | {
        "net": now and {"value": now.value, "low": now.low, "high": now.high},
        "net_before": past and past.value,
        "trend": mood.trend(now, past),
        "since": mood.since(chosen.series(), signs, times) if now else None,
    }


def _is_complete(contents: Contents, stretch: Stretch) -> bool:
    """Whether results reach back to the beginning of a stretch: half of one is no basis of a comparison."""
    first = contents.sums.levels[stretch.level].first_filled()
    return (
        first is not None and first * stretch.width_s <= stretch.start_s + (stretch.end_s - stretch.start_s) // 10
    )


def _rate(contents: Contents, selection: Selection, now_s: float) -> float:
    last = int(now_s) - 1
    minute = table(contents.sums, Stretch(0, last - RATE_S + 1, RATE_S), selection)
    return int(minute.data[:, :, 0].sum()) / RATE_S
