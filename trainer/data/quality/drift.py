"""How the shares of the labels move with time: a model is measured on the past and serves the future."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.data.quality.findings import Drift, Window

if TYPE_CHECKING:
    import numpy.typing as npt

    from trainer.data.examples import Examples, IntArray

WINDOWS: Final = 10
"""Windows with as many rows each."""
MIN_WINDOW_ROWS: Final = 50
ORDERS: Final = 20
"""Random orders of the rows that say which shift chance alone gives."""


def measure_drift(examples: Examples, seed: int) -> Drift:
    """Shares of the labels in windows of time, oldest first."""
    if examples.created_at is None:
        return Drift(skipped=examples.report.time_fault or "the rows have no times")
    count = min(WINDOWS, len(examples) // MIN_WINDOW_ROWS)
    if count < 2:  # noqa: PLR2004 - two windows
        return Drift(skipped=f"fewer than {2 * MIN_WINDOW_ROWS} rows")
    order = np.argsort(examples.created_at, kind="stable")
    labels = len(examples.label_names)
    shares = _shares(examples.labels[order], count, labels)
    shuffle = np.random.default_rng(seed)
    chance = [_shift(_shares(shuffle.permutation(examples.labels), count, labels)) for _ in range(ORDERS)]
    windows = []
    for rows, window in zip(np.array_split(order, count), shares, strict=True):
        first, last = (examples.created_at[rows[end]] for end in (0, -1))
        windows.append(
            Window(
                first=_time(first),
                last=_time(last),
                rows=len(rows),
                shares=dict(zip(examples.label_names, window.tolist(), strict=True)),
            )
        )
    return Drift(windows=tuple(windows), shift=_shift(shares), by_chance=max(chance))


def _shares(labels: IntArray, count: int, names: int) -> npt.NDArray[np.float64]:
    """`[windows, labels]`."""
    return np.array([np.bincount(part, minlength=names) / len(part) for part in np.array_split(labels, count)])


def _shift(shares: npt.NDArray[np.float64]) -> float:
    """Largest total variation distance to the mean."""
    return float(np.abs(shares - shares.mean(axis=0)).sum(axis=1).max() / 2)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
