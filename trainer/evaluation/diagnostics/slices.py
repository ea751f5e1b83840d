"""Accuracy by length, script and time of the texts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.inference.tokenization.scripts import script_of
from trainer.evaluation.diagnostics.stored import Property, Slice, plain_id
from trainer.evaluation.metrics import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import Examples, IntArray
    from trainer.models.transformer.predict import FloatArray

LENGTHS: Final = (20, 50, 100, 200, 500, 2_000)
"""Upper bounds in characters."""
PERIODS: Final = 6
LEAST_ROWS: Final = 10
"""Slices with fewer rows are joined as `other`: 5 of 5 right gives an interval of 0.57 to 1."""
MOST_NAMES: Final = 20
"""Slices of scripts, or of sources, besides the others."""
OTHER: Final = "other"


def slices(examples: Examples, predicted: IntArray, confidence: FloatArray) -> list[Slice]:
    """All slices; `predicted` and `confidence` are `[rows]`, of the predicted label."""
    right = predicted == examples.labels
    groups: dict[Property, list[tuple[str, IntArray]]] = {
        "length": _by_length(examples.texts),
        "script": _by_name([script_of(text) for text in examples.texts]),
        "source": [] if examples.sources is None else _by_source(examples.sources),
        "time": [] if examples.created_at is None else _by_time(examples.created_at),
    }
    return [
        Slice(
            property=kind,
            name=name,
            rows=len(rows),
            right=int(right[rows].sum()),
            interval=_interval(int(right[rows].sum()), len(rows)),
            confidence=round(float(confidence[rows].mean()), 4),
        )
        for kind, of_kind in groups.items()
        for name, rows in of_kind
        if len(rows)
    ]


def _interval(right: int, rows: int) -> tuple[float, float]:
    low, high = wilson(right, rows)
    return round(max(0.0, float(low)), 4), round(min(1.0, float(high)), 4)


def _by_length(texts: Sequence[str]) -> list[tuple[str, IntArray]]:
    place = np.searchsorted(LENGTHS, [len(text) for text in texts])
    names = [f"{low + 1:,} to {high:,}" for low, high in pairwise((0, *LENGTHS))]
    names.append(f"more than {LENGTHS[-1]:,}")
    return [(name, np.flatnonzero(place == index)) for index, name in enumerate(names)]


def _by_name(names: Sequence[str]) -> list[tuple[str, IntArray]]:
    """The most frequent names, and all others as one slice, which may have no row."""
    common = [name for name, rows in Counter(names).most_common(MOST_NAMES) if rows >= LEAST_ROWS]
    place = {name: index for index, name in enumerate(common)}
    slice_of = np.array([place.get(name, len(common)) for name in names])
    return [(name, np.flatnonzero(slice_of == index)) for index, name in enumerate([*common, OTHER])]


def _by_source(sources: Sequence[str]) -> list[tuple[str, IntArray]]:
    """Nothing if all rows are in one slice: files of one source name it in each row."""
    found = [(plain_id(name), rows) for name, rows in _by_name(sources) if len(rows)]
    return found if len(found) > 1 else []


def _by_time(times: IntArray) -> list[tuple[str, IntArray]]:
    """Up to PERIODS parts with about as many rows each; rows of one time are in one part."""
    bounds = np.unique(np.quantile(times, np.linspace(0, 1, PERIODS + 1)[1:], method="higher"))
    place = np.searchsorted(bounds, times)
    parts = [np.flatnonzero(place == index) for index in range(len(bounds))]
    return [(f"{_day(times[rows].min())} to {_day(times[rows].max())}", rows) for rows in parts if len(rows)]


def _day(time_ms: int) -> str:
    # Years of dates that a wrong unit gives are outside of what datetime knows.
    return str(np.datetime64(int(time_ms), "ms").astype("datetime64[D]"))
