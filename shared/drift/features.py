"""Results as numbers to compare, and their histograms: the trainer and the consumer count with the same code."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

import numpy as np

from shared.drift.reference import MIN_ROWS, Histogram, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from shared.inference.types import Score

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

Feature = Literal["labels", "confidence", "entropy", "tokens", "unknown_share"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)

BINS: Final = 10
"""Bins with equal numbers of validation rows, as usual for the population stability index."""
# Deciles of a sure model lie within 0.001 of each other, and bf16 or int8 would move texts between such bins.
SHARE_DECIMALS: Final = 2
"""Decimals of the edges of confidence and entropy: bins are at least 0.01 wide."""
UNKNOWN_EDGES: Final = (1e-6, 0.05, 0.2, 0.5)
"""Mostly no token is unknown, so that quantiles would all be 0: the first bin has the texts without any."""

_PROBABILITIES: Final = attrgetter("probabilities")
_LABEL: Final = attrgetter("label")
_TOKENS: Final = attrgetter("tokens")
_UNKNOWN_SHARE: Final = attrgetter("unknown_share")


class Results(NamedTuple):
    """What the model said of some texts."""

    probabilities: FloatArray
    """`[rows, labels]`"""
    labels: IntArray
    """`[rows]`, as the scorer decided."""
    tokens: IntArray
    unknown_shares: FloatArray

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Results:
        """Those of scores of one model, of which there is at least one."""
        rows, labels = len(scores), len(scores[0].probabilities)
        # 0.18 us a score; with np.array of zipped columns 0.27.
        every = chain.from_iterable(map(_PROBABILITIES, scores))
        return cls(
            np.fromiter(every, np.float64, rows * labels).reshape(rows, labels),
            np.fromiter(map(_LABEL, scores), np.int64, rows),
            np.fromiter(map(_TOKENS, scores), np.int64, rows),
            np.fromiter(map(_UNKNOWN_SHARE, scores), np.float64, rows),
        )

    def values(self) -> dict[Feature, FloatArray | IntArray]:
        """The number of each row by feature, each `[rows]`."""
        shares = self.probabilities
        # fp32 rounds a small probability to 0, whose logarithm is infinite; its share of the entropy is 0.
        terms = shares * np.log(np.maximum(shares, np.finfo(np.float32).tiny))
        return {
            "labels": self.labels,
            "confidence": shares[np.arange(len(shares)), self.labels],
            "entropy": -terms.sum(axis=1) / np.log(shares.shape[1]),
            "tokens": self.tokens,
            "unknown_share": self.unknown_shares,
        }


def reference_of(results: Results, label_names: Sequence[str]) -> Reference | None:
    """The reference statistics of validation rows; None for too few rows."""
    rows = len(results.labels)
    if rows < MIN_ROWS:
        return None
    values = results.values()
    edges = {
        "confidence": _quantiles(values["confidence"], SHARE_DECIMALS),
        "entropy": _quantiles(values["entropy"], SHARE_DECIMALS),
        "tokens": _quantiles(values["tokens"], 0),
        "unknown_share": UNKNOWN_EDGES,
    }
    counts = np.bincount(results.labels, minlength=len(label_names)).tolist()
    return Reference(
        rows=rows,
        labels=dict(zip(label_names, counts, strict=True)),
        **{name: _histogram(values[name], own) for name, own in edges.items()},  # type: ignore[index]
    )


def _quantiles(values: FloatArray | IntArray, decimals: int) -> tuple[float, ...]:
    found = np.quantile(values, np.arange(1, BINS) / BINS)
    return tuple(np.unique(np.round(found, decimals)).tolist())


def _histogram(values: FloatArray | IntArray, edges: tuple[float, ...]) -> Histogram:
    counts = _binned(values, np.array(edges)).tolist()
    return Histogram(edges=edges, counts=tuple(counts), mean=round(float(values.mean()), 6))


def _binned(values: FloatArray | IntArray, edges: FloatArray) -> IntArray:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


class Bins:
    """Counts results in the bins of a reference. Immutable."""

    def __init__(self, reference: Reference, label_names: Sequence[str]) -> None:
        """`label_names` are those of the model, in the order of its outputs."""
        histograms: dict[Feature, Histogram] = {
            "confidence": reference.confidence,
            "entropy": reference.entropy,
            "tokens": reference.tokens,
            "unknown_share": reference.unknown_share,
        }
        between_labels = np.arange(1, len(label_names), dtype=np.float64) - 0.5
        self._edges: dict[Feature, FloatArray] = {
            "labels": between_labels,
            **{name: np.array(one.edges, np.float64) for name, one in histograms.items()},
        }
        self.reference: Mapping[Feature, IntArray] = {
            "labels": np.array([reference.labels[label] for label in label_names], np.int64),
            **{name: np.array(one.counts, np.int64) for name, one in histograms.items()},
        }
        """Rows of the reference by feature, each `[bins]`."""

    def counts(self, values: Mapping[Feature, FloatArray | IntArray]) -> dict[Feature, IntArray]:
        """Rows by feature and bin, each `[bins]`."""
        return {name: _binned(values[name], self._edges[name]) for name in FEATURES}
