"""What the counters of several processes have moved within some seconds: rates, shares, means and quantiles."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consumer.metrics import Metric
    from shared.http.scrape import Labels, Snapshot


class Span(NamedTuple):
    """Two snapshots of one process."""

    before: Snapshot
    after: Snapshot


class Window:
    """Several processes over about the same time. None is what cannot be said: nothing happened."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = [span for span in spans if span.after.at_s > span.before.at_s]

    def rate(self, metric: Metric, suffix: str = "", **labels: str) -> float | None:
        """Increments a second, all processes together."""
        if not self._spans:
            return None
        return sum(
            increment / (span.after.at_s - span.before.at_s)
            for span in self._spans
            for _, increment in _increments(span, metric.name + suffix, labels)
        )

    def increase(self, metric: Metric, suffix: str = "", **labels: str) -> float:
        """Increments."""
        return sum(self.by("", metric, suffix, **labels).values())

    def by(self, label: str, metric: Metric, suffix: str = "", **labels: str) -> Counter[str]:
        """Increments by the value of a label."""
        found: Counter[str] = Counter()
        for span in self._spans:
            for series, increment in _increments(span, metric.name + suffix, labels):
                found[dict(series).get(label, "")] += increment  # type: ignore[assignment]
        return found

    def share(self, metric: Metric, of: Metric, **labels: str) -> float | None:
        """Increments of `metric` by those of `of` with the labels."""
        return _quotient(self.increase(metric), self.increase(of, **labels))

    def mean(self, metric: Metric, **labels: str) -> float | None:
        """Mean of the values that a histogram took."""
        return _quotient(self.increase(metric, "_sum", **labels), self.increase(metric, "_count", **labels))

    def quantile(self, metric: Metric, share: float) -> float | None:
        """As Prometheus' histogram_quantile: linear within a bucket; the last bound for what is above it."""
        counts = sorted((_number(bound), count) for bound, count in self.by("le", metric, "_bucket").items())
        if not counts or not counts[-1][1] > 0:
            return None
        rank = share * counts[-1][1]
        for (low, below), (high, reached) in pairwise([(0.0, 0.0), *counts]):
            if reached >= rank and reached > below:
                return low if math.isinf(high) else low + (high - low) * (rank - below) / (reached - below)
        return None


def _increments(span: Span, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[Labels, float]]:
    before = span.before.samples.get(name, {})
    for series, value in span.after.samples.get(name, {}).items():
        if wanted.items() <= dict(series).items():
            old = before.get(series, 0.0)
            # Less than before: another process has begun at 0.
            increment = value - old if value >= old else value
            if math.isfinite(increment):
                yield series, increment


def _quotient(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _number(bound: str) -> float:
    try:
        return float(bound)
    except ValueError:
        return math.inf
