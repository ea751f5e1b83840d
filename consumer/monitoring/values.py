"""The present values of the metrics, and how the client library for Prometheus gets them.

Not the library's own counters: a histogram of theirs takes one value at a time, at 0.8 us each; here a publish of
1,024 records is one call for all of them, and a scrape never sees half of an event.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from itertools import accumulate, product
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from consumer.metrics import MAX_SERIES, METRICS, OTHER, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

Labels = tuple[str, ...]
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class Sample(NamedTuple):
    """The value of one series of a gauge that is only known when it is asked for."""

    metric: Metric
    labels: Labels
    value: float


class _Histogram:
    """Counts of values by the first bound that is not below them; the last count is for those above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        places = np.searchsorted(self.bounds, values)
        found = np.bincount(places, minlength=len(self.counts)).tolist()
        self.counts = [old + new for old, new in zip(self.counts, found, strict=True)]
        self.total += float(values.sum())

    def copy(self) -> _Histogram:
        other = _Histogram(self.bounds)
        other.counts, other.total = list(self.counts), self.total
        return other


class Values(Collector):
    """The values of one process. Any thread may call; hold `lock` where several calls are one event."""

    def __init__(self) -> None:
        self.lock: Final = threading.RLock()
        self._at_scrape: list[Callable[[], Iterable[Sample]]] = []
        self._numbers: dict[Metric, dict[Labels, float]] = {}
        self._histograms: dict[Metric, dict[Labels, _Histogram]] = {}
        for metric in METRICS:
            known = [label.values for label in metric.labels]
            # From the start, so that the first increment is one: `rate` misses what a series begins with.
            series = list(product(*known)) if all(known) else []
            if metric.kind == "histogram":
                self._histograms[metric] = {labels: _Histogram(metric.buckets) for labels in series}
            else:
                self._numbers[metric] = dict.fromkeys(series, 0.0)

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """Increments a counter."""
        with self.lock:
            series = self._numbers[metric]
            labels = labels if labels in series else _bounded(metric, labels, len(series))
            series[labels] = series.get(labels, 0.0) + amount

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Sets a gauge, or an info to 1."""
        with self.lock:
            series = self._numbers[metric]
            series[labels if labels in series else _bounded(metric, labels, len(series))] = value

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds one value to a histogram."""
        with self.lock:
            found = self._histogram(metric, labels)
            found.counts[bisect_left(found.bounds, value)] += 1
            found.total += value

    def observe_all(self, metric: Metric, values: NDArray[np.float64], *labels: str) -> None:
        """Adds several values to a histogram."""
        with self.lock:
            self._histogram(metric, labels).add(values)

    def at_scrape(self, ask: Callable[[], Iterable[Sample]]) -> None:
        """Asks for further samples at each scrape, on the scraping thread and outside of the lock."""
        self._at_scrape.append(ask)

    def describe(self) -> Iterator[Family]:
        """The families without values, from which the client library learns the names."""
        for metric in METRICS:
            yield _histogram_family(metric, {}) if metric.kind == "histogram" else _family(metric, {})

    def collect(self) -> Iterator[Family]:
        """All metrics in the order of `METRICS`, as the client library wants them."""
        samples = [sample for ask in self._at_scrape for sample in ask()]
        with self.lock:
            numbers = {metric: dict(series) for metric, series in self._numbers.items()}
            histograms = {
                metric: {labels: one.copy() for labels, one in series.items()}
                for metric, series in self._histograms.items()
            }
        for sample in samples:
            numbers[sample.metric][sample.labels] = sample.value
        for metric in METRICS:
            if metric.kind == "histogram":
                yield _histogram_family(metric, histograms[metric])
            else:
                yield _family(metric, numbers[metric])

    def _histogram(self, metric: Metric, labels: Labels) -> _Histogram:
        series = self._histograms[metric]
        if labels not in series:
            labels = _bounded(metric, labels, len(series))
        return series.setdefault(labels, _Histogram(metric.buckets))


def _bounded(metric: Metric, labels: Labels, series: int) -> Labels:
    """The labels of a new series: OTHER for what is not a known value, and for all once there are MAX_SERIES."""
    if series >= MAX_SERIES - 1:
        return (OTHER,) * len(labels)
    return tuple(
        value if not label.values or value in label.values else OTHER
        for label, value in zip(metric.labels, labels, strict=True)
    )


def _family(metric: Metric, series: dict[Labels, float]) -> Family:
    names = [label.name for label in metric.labels]
    if metric.kind == "info":
        info = InfoMetricFamily(metric.name.removesuffix("_info"), metric.meaning, labels=names)
        for labels in series:
            info.add_metric(labels, {})
        return info
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=names, unit=metric.unit)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


def _histogram_family(metric: Metric, series: dict[Labels, _Histogram]) -> HistogramMetricFamily:
    names = [label.name for label in metric.labels]
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=names, unit=metric.unit)
    bounds = [str(floatToGoString(bound)) for bound in (*metric.buckets, math.inf)]  # type: ignore[no-untyped-call]
    for labels, one in series.items():
        family.add_metric(labels, list(zip(bounds, accumulate(one.counts), strict=True)), one.total)
    return family
