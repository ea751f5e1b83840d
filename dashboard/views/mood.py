"""How people feel, and since when: net sentiment with its interval, and the moment of a change. Pure."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.window.level import Ints

Z95: Final = 1.96
"""Standard deviations of a 95 % interval."""
# The largest of some hundred z values of a series that does not change is below 3.5 in 95 of 100 cases.
Z_CHANGE: Final = 3.5
LEAST_RESULTS: Final = 30
"""Results on each side of a change: with fewer a normal interval says nothing."""
KNOWN: Final = {"negative": -1, "neutral": 0, "positive": 1}
"""Polarity of labels with these names, where no model folder says it."""


class Net(NamedTuple):
    """The mean polarity of results, from -1 to 1, with its 95 % interval."""

    value: float
    low: float
    high: float
    variance: float
    """Of the mean."""


def polarity_of(labels: Sequence[str], given: Mapping[str, int]) -> dict[str, int] | None:
    """The polarity of each label; None where any has none, or where all are neutral."""
    found = {label: given.get(label, KNOWN.get(label.lower())) for label in labels}
    known = {label: sign for label, sign in found.items() if sign is not None}
    return known if len(known) == len(found) and any(known.values()) else None


def net(counts: Mapping[str, int], polarity: Mapping[str, int]) -> Net | None:
    """Net sentiment of counts by label; None without results.

    The variance is that of shares with one more result of each label: of ten equal results it would be 0.
    """
    n = sum(counts.values())
    if not n:
        return None
    value = sum(polarity[label] * count for label, count in counts.items()) / n
    smooth = n + len(polarity)
    shares = {label: (counts.get(label, 0) + 1) / smooth for label in polarity}
    mean = sum(polarity[label] * share for label, share in shares.items())
    variance = (sum(polarity[label] ** 2 * share for label, share in shares.items()) - mean**2) / n
    half = Z95 * sqrt(variance)
    return Net(value, max(-1.0, value - half), min(1.0, value + half), variance)


def trend(now: Net | None, before: Net | None) -> dict[str, Any] | None:
    """The difference to the time before; `clear` where its 95 % interval excludes 0."""
    if now is None or before is None:
        return None
    change, half = now.value - before.value, Z95 * sqrt(now.variance + before.variance)
    return {"change": change, "low": change - half, "high": change + half, "clear": abs(change) > half}


def since(
    series: Mapping[str, Ints], polarity: Mapping[str, int], times_s: Sequence[int]
) -> dict[str, Any] | None:
    """The bucket since which net sentiment differs most from before; None where no split differs clearly."""
    counts = np.stack([series[label] for label in polarity if label in series])
    signs = np.array([polarity[label] for label in polarity if label in series])
    n = counts.sum(axis=0).cumsum()[:-1]
    total = int(counts.sum())
    if len(n) < 1 or total < 2 * LEAST_RESULTS:
        return None
    first, square = (signs @ counts).cumsum(), (signs**2 @ counts).cumsum()
    left = np.maximum(n, 1)
    right = np.maximum(total - n, 1)
    mean_left, mean_right = first[:-1] / left, (first[-1] - first[:-1]) / right
    overall = first[-1] / total
    variance = square[-1] / total - overall**2
    enough = (n >= LEAST_RESULTS) & (total - n >= LEAST_RESULTS)
    if variance <= 0 or not enough.any():
        return None
    z = np.where(enough, (mean_right - mean_left) / np.sqrt(variance * (1 / left + 1 / right)), 0)
    at = int(np.abs(z).argmax())
    if abs(z[at]) < Z_CHANGE:
        return None
    return {"at_s": times_s[at + 1], "before": float(mean_left[at]), "after": float(mean_right[at])}
