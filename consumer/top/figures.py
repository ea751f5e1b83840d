"""The figures of one moment: what the board shows, from a window of snapshots and the newest of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from consumer.metrics import Metric
    from consumer.top.window import Window
    from shared.http.scrape import Snapshot


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all processes together. None is what no process says, or what nothing happened for."""

    records_s: float | None
    """Records with an outcome, a second."""
    lag_records: float | None
    lag_s: float | None
    inflight_rows: float | None
    inflight_bytes: float | None
    median_s: float | None
    """From record to commit."""
    p99_s: float | None
    pass_rows: float | None
    """Means of a forward pass."""
    pass_tokens: float | None
    pass_s: float | None
    http_s: float | None
    """Scoring requests a second."""
    http_p99_s: float | None
    http_failed: float | None
    """Share of the requests that got no scores."""
    busy: float | None
    """Seconds on the device per second, all processes together."""
    gpu_use: float | None
    """Of the GPU with the most to do, as a share of the time."""
    gpu_memory: float | None
    """As a share, of the fullest GPU."""
    padding: float | None
    cached: float | None
    """Share of the results without a forward pass."""
    labels: Mapping[str, float]
    """Share of each label."""
    confidence: float | None
    uncertain: float | None
    unknown: float | None
    segmented: float | None
    truncated: float | None
    dead_share: float | None
    """Dead letters by records with an outcome."""
    drift: Mapping[str, float]
    """Each feature of the last window: the largest distance by its threshold, of all processes."""
    dead_letters: Mapping[str, float]
    """Since the processes began, by stage and reason."""
    events: Mapping[str, float]
    """The same of what is rare."""
    models: tuple[str, ...]


def figures(window: Window, newest: Sequence[Snapshot]) -> Figures:
    """Rates, means and shares are those of the window; all else is that of the newest snapshots."""
    results = {"outcome": "result"}
    tokens = window.share(metrics.TOKENS, metrics.COMPUTED_TOKENS)
    labels = window.by("label", metrics.LABELS)
    return Figures(
        records_s=window.rate(metrics.MESSAGES),
        lag_records=lag(newest, metrics.LAG_RECORDS, sum),
        lag_s=lag(newest, metrics.LAG_SECONDS, max),
        inflight_rows=now(newest, metrics.INFLIGHT_ROWS, sum),
        inflight_bytes=now(newest, metrics.INFLIGHT_BYTES, sum),
        median_s=window.quantile(metrics.END_TO_END, 0.5),
        p99_s=window.quantile(metrics.END_TO_END, 0.99),
        pass_rows=window.mean(metrics.BATCH_ROWS),
        pass_tokens=window.mean(metrics.BATCH_TOKENS),
        pass_s=window.mean(metrics.STAGE_SECONDS, stage="device"),
        http_s=window.rate(metrics.HTTP_REQUESTS),
        http_p99_s=window.quantile(metrics.HTTP_SECONDS, 0.99),
        http_failed=_http_failed(window),
        busy=window.rate(metrics.STAGE_SECONDS, "_sum", stage="device"),
        gpu_use=now(newest, metrics.DEVICE_UTILISATION, max),
        gpu_memory=_gpu_memory(newest),
        padding=None if tokens is None else 1 - tokens,
        cached=window.share(metrics.CACHE_HITS, metrics.MESSAGES, **results),
        labels={label: count / labels.total() for label, count in labels.most_common()} if labels.total() else {},
        confidence=window.mean(metrics.CONFIDENCE),
        uncertain=window.share(metrics.UNCERTAIN, metrics.MESSAGES, **results),
        unknown=window.share(metrics.UNKNOWN, metrics.MESSAGES, **results),
        segmented=window.share(metrics.SEGMENTED, metrics.MESSAGES, **results),
        truncated=window.share(metrics.TRUNCATED, metrics.MESSAGES, **results),
        dead_share=window.share(metrics.DEAD_LETTERS, metrics.MESSAGES),
        drift=_drift(newest),
        dead_letters=totals(newest, metrics.DEAD_LETTERS, "stage", "reason"),
        events=_events(newest),
        models=_models(newest),
    )


def now(newest: Iterable[Snapshot], metric: Metric, of: Callable[[list[float]], float]) -> float | None:
    """The sum or maximum of a gauge; None where no process has it."""
    values = [value for _, value in _series(newest, metric) if math.isfinite(value)]
    return of(values) if values else None


def lag(newest: Iterable[Snapshot], metric: Metric, of: Callable[[list[float]], float]) -> float | None:
    """As `now`; a partition that two processes show during a rebalance counts once."""
    largest: dict[tuple[str, ...], float] = {}
    for labels, value in _series(newest, metric):
        if math.isfinite(value):
            place = tuple(labels.values())
            largest[place] = max(value, largest.get(place, 0.0))
    return of(list(largest.values())) if largest else None


def totals(newest: Iterable[Snapshot], metric: Metric, *names: str) -> dict[str, float]:
    """Counters since the processes began, by labels, without zeros; the largest first."""
    found: Counter[str] = Counter()
    for labels, value in _series(newest, metric):
        if math.isfinite(value):
            found[" ".join(labels.get(name, "") for name in names)] += value  # type: ignore[assignment]
    return {name: count for name, count in found.most_common() if count > 0}


def _series(newest: Iterable[Snapshot], metric: Metric) -> Iterator[tuple[dict[str, str], float]]:
    for snapshot in newest:
        for labels, value in snapshot.samples.get(metric.name, {}).items():
            yield dict(labels), value


def _http_failed(window: Window) -> float | None:
    reasons = window.by("reason", metrics.HTTP_REQUESTS)
    return 1 - reasons[""] / reasons.total() if reasons.total() > 0 else None


def _gpu_memory(newest: Sequence[Snapshot]) -> float | None:
    shares = []
    for snapshot in newest:
        sizes = snapshot.samples.get(metrics.DEVICE_MEMORY.name, {})
        used = snapshot.samples.get(metrics.DEVICE_MEMORY_USED.name, {})
        shares += [used[device] / size for device, size in sizes.items() if device in used and size > 0]
    return max(shares, default=None)


def _drift(newest: Sequence[Snapshot]) -> dict[str, float]:
    found: dict[str, float] = {}
    for snapshot in newest:
        limits = snapshot.samples.get(metrics.DRIFT_THRESHOLD.name, {})
        for labels, value in snapshot.samples.get(metrics.DRIFT_STATISTIC.name, {}).items():
            if limits.get(labels, 0.0) > 0 and math.isfinite(value):
                name = dict(labels).get("feature", "")
                found[name] = max(value / limits[labels], found.get(name, 0.0))
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _events(newest: Sequence[Snapshot]) -> dict[str, float]:
    counted = {
        "rebalances": totals(newest, metrics.REBALANCES),
        "recoveries": totals(newest, metrics.RECOVERIES),
        "crash loops": totals(newest, metrics.CRASH_LOOPS),
        "isolations": totals(newest, metrics.ISOLATIONS),
        "passes out of memory": totals(newest, metrics.OUT_OF_MEMORY),
        "transactions aborted": {
            state: count
            for state, count in totals(newest, metrics.TRANSACTIONS, "state").items()
            if state == "aborted"
        },
        "records written twice": totals(newest, metrics.REPEATED),
    }
    return {name: sum(counts.values()) for name, counts in counted.items()}


def _models(newest: Sequence[Snapshot]) -> tuple[str, ...]:
    wanted = ("name", "model_version", "engine", "device")
    found = {
        " ".join(labels.get(name, "") for name in wanted) for labels, _ in _series(newest, metrics.MODEL_INFO)
    }
    return tuple(sorted(found))
