"""Is it keeping up, and can the answers be believed: latency, confidence, splits, dead letters. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from dashboard.window.rows import REST
from dashboard.window.sums import (
    CONFIDENCE,
    CONFIDENCE_BINS,
    COUNT,
    LATENCY,
    LATENCY_EDGES_MS,
    MICRO,
    SCORE,
    TIMED,
    TRUNCATED,
    UNCERTAIN,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.views.selection import Stretch
    from dashboard.views.totals import Table
    from dashboard.window.sums import Kind
    from dashboard.window.window import Contents

TOP: Final = 20
"""Values of a split that are shown; the rest is one line."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_]{1,100}")


def latency(whole: Table) -> dict[str, Any] | None:
    """Quantiles of the time from the input record to its score, in milliseconds; None where no result says."""
    row = whole.rows().sum(axis=0)
    bins = row[LATENCY:].tolist()
    if not row[TIMED]:
        return None
    return {"n": int(row[TIMED]), "p50_ms": quantile(bins, 0.5), "p95_ms": quantile(bins, 0.95)}


def quantile(bins: Sequence[int], share: float) -> float | None:
    """A quantile of the latency, linear within its bin; None where it is beyond the last edge."""
    left = share * sum(bins)
    low = 0.0
    for count, high in zip(bins, LATENCY_EDGES_MS, strict=False):
        if count and left <= count:
            return low + (high - low) * left / count
        left -= count
        low = float(high)
    return None


def confidence(whole: Table) -> dict[str, Any]:
    """Histogram of the score in equal bins from 0 to 1, and shares of results that are to be doubted."""
    row = whole.rows().sum(axis=0)
    return {"bins": row[CONFIDENCE : CONFIDENCE + CONFIDENCE_BINS].tolist(), **_doubts(row)}


def split(whole: Table, dimension: str) -> list[dict[str, Any]]:
    """Sums for each input topic, model or group: the most frequent ones, and the rest as one."""
    tables = whole.grouped(lambda kind: str(getattr(kind, dimension)))
    rest = tables.pop(REST, None)
    ordered = sorted(tables.items(), key=lambda one: -int(one[1].rows()[:, COUNT].sum()))
    found = [{"value": value, **_summary(own)} for value, own in ordered[:TOP]]
    others = [own for _, own in ordered[TOP:]] + ([rest] if rest else [])
    if others:
        names = {kind for own in others for kind in own.kinds}
        merged = whole.grouped(lambda kind: REST if kind in names else "")[REST]
        found.append(
            {"value": REST, "values": len(ordered) - TOP if len(ordered) > TOP else None, **_summary(merged)}
        )
    return [one for one in found if one["n"]]


def _summary(own: Table) -> dict[str, Any]:
    return {"labels": own.by_label(), **_doubts(own.rows().sum(axis=0))}


def _doubts(row: Any) -> dict[str, Any]:
    n = int(row[COUNT])
    return {
        "n": n,
        "mean": int(row[SCORE]) / MICRO / n if n else None,
        "uncertain": int(row[UNCERTAIN]),
        "truncated": int(row[TRUNCATED]),
    }


def labels_of(kinds: Sequence[Kind]) -> list[str]:
    """All labels, in their alphabetical order."""
    return sorted({kind.label for kind in kinds})


def letters(contents: Contents, stretch: Stretch) -> dict[str, Any]:
    """Dead letters of the stretch by reason, with the newest of each and the command that replays them."""
    data = contents.sums.letter_levels[stretch.level].read(stretch.first, stretch.buckets).sum(axis=(0, 2))
    found: list[dict[str, Any]] = []
    for row, kind in enumerate(contents.sums.letter_rows.keys):
        if row >= len(data) or not data[row]:
            continue
        last = contents.last_letters.get(f"{kind.stage}\0{kind.error}\0{kind.reason}")
        found.append(
            {
                "stage": kind.stage,
                "error": kind.error,
                "reason": kind.reason,
                "n": int(data[row]),
                "last_ms": last and last.written_ms,
                "place": last and "{}:{}".format(*last.place[1:]),
                "source": last and list(last.source),
                "command": _replay(last.place.topic if last else "", kind.stage, kind.error),
            }
        )
    found.sort(key=lambda one: -one["n"])
    return {"n": int(data.sum()), "kinds": found}


def _replay(topic: str, stage: str, error: str) -> str | None:
    """What replays such letters; None for names that could be anything but names in a shell."""
    if not topic or not _PLAIN.fullmatch(stage) or not _PLAIN.fullmatch(error):
        return None
    return f"sentiment-consumer dlq replay --dlq-topic {topic} --stage {stage} --error {error} --dry-run"
