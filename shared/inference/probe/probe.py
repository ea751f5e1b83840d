"""Runs passes of every shape class through an engine and finds the wrong answers. Pure.

A row's answer hardly depends on its padding or on the other rows of its pass, in any precision: with MiniLM on an
EPYC with AVX-512, logits moved by 2e-6 in fp32, 0.004 in bf16 and 0.02 in int8. So each row is in several passes,
and a pass that disagrees with the others about a row is wrong. An error that is the same in every pass shows in
the comparison with fp32, from which correct int8 differs by up to 0.3.

The probe does not run every pair of rows and width: it runs each width with one number of rows, each number of
rows from 1 to 8 with every eighth width, and full passes at a few widths. It misses a wrong pair that it does not
run, if the width and the number of rows are right in other pairs. It also misses an fp32 error that is the same in
every pass, since it has no reference that is more exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel

from shared.inference.probe.pass_shapes import EVERY_WIDTH_TO, PassShapes, pass_widths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids, Logits

Precision = Literal["fp32", "bf16", "int8"]

PROBE_VERSION: Final = 1
"""Increased when passes or bounds change, so that cached verdicts become invalid."""
ROWS: Final = (8, 1, 7, 2, 6, 3, 5, 4)
"""Rows of the passes, width by width. In this order each row is in passes of three widths or more."""
LONG_ROWS: Final = (2, 1)
"""The same above EVERY_WIDTH_TO, where passes are expensive."""
FULL_WIDTHS: Final = (8, 16, 32, 64)
FULL_TOKENS: Final = 1_024
"""A consumer under load mostly runs passes of this size; the probe runs one at each of FULL_WIDTHS."""
REFERENCE_ROWS: Final = 12
"""Maximum rows of a reference pass. Reference passes have nearly this many, more than the passes of few rows."""
OUTLIER: Final = 8.0
"""A distance above this multiple of the median of all passes is not rounding. Largest of a correct pass: 3.5
(int8, MiniLM)."""
BOTH_ERRORS: Final = 3.0
"""Two correctly rounded passes may differ by the sum of their two errors, and half of that sum more."""
MAX_AVOIDED: Final = 0.25
"""Share of the widths that may be avoided; with more, a shape is not the cause."""
WRONG_ROWS: Final = 0.75
"""If more than this share of the passes with one number of rows is wrong, that number is the cause."""
FAILED: Final = 1e9
"""The distance of a pass that failed or whose answer is not finite."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Allowed rounding errors of a logit, in units of the spread of logits over rows (`_scale`)."""

    drift: float
    """Difference between two passes of a row that is always allowed, even if all other passes agree better."""
    most_drift: float
    """Maximum of that difference, even if all other passes agree worse."""
    error: float
    """Maximum distance of the median pass from fp32; above it no pass can be trusted."""


BOUNDS: Final[dict[Precision, Bounds]] = {
    "fp32": Bounds(drift=0.002, most_drift=0.02, error=0.02),
    "bf16": Bounds(drift=0.1, most_drift=0.3, error=0.25),
    "int8": Bounds(drift=0.1, most_drift=0.4, error=0.9),
}
"""The largest drift and the median error, measured on AVX-512 in that unit: with MiniLM 2e-6 and 1e-6 in fp32,
0.003 and 0.006 in bf16, 0.015 and 0.04 in int8; with a BERT-base of random weights 0.07 and 0.08 in bf16, 0.19 and
0.59 in int8. The fault seen with AMX drifts by more than 1; exchanged answers have an error of 2."""


@dataclass(frozen=True, slots=True)
class ProbePass:
    """One pass: the indices of its rows in the probe, and the width that they are padded to."""

    rows: tuple[int, ...]
    width: int


class Verdict(BaseModel, frozen=True, extra="forbid"):
    """The result of a probe; distances are between logits."""

    trusted: bool
    avoided_widths: tuple[int, ...] = ()
    avoided_rows: tuple[int, ...] = ()
    drift: float = 0.0
    """Largest drift of the passes that are not avoided."""
    avoided_drift: float = 0.0
    """Largest drift of the avoided passes."""
    drift_bound: float = 0.0
    error: float = 0.0
    """Distance of the median pass from fp32."""
    error_bound: float = 0.0

    def shapes(self, longest: int) -> PassShapes:
        """The allowed shapes of passes whose rows have up to `longest` tokens."""
        return PassShapes(pass_widths(longest), frozenset(self.avoided_widths), frozenset(self.avoided_rows))


class Probe:
    """The rows and the passes for texts of up to `longest` tokens."""

    def __init__(self, longest: int, sample: Sequence[Ids]) -> None:
        """Makes a row of each width from the tokens of `sample`: whole texts with their special tokens.

        They should be like the texts that the model reads: the activation ranges of int8 do not fit others.
        """
        self.widths = pass_widths(longest)
        body = np.concatenate([row[1:-1] for row in sample])
        first, last = sample[0][:1], sample[0][-1:]
        starts = np.random.default_rng(0).integers(len(body), size=len(self.widths))
        self.rows: list[Ids] = [
            np.concatenate([first, np.resize(np.roll(body, -start), width - 2), last]).astype(np.int32)
            for width, start in zip(self.widths, starts, strict=True)
        ]
        self.passes = [*self._short_and_long(), *self._widest(), *self._full()]

    def reference_passes(self) -> list[ProbePass]:
        """Passes that contain each row once, to be run in fp32."""
        groups = np.array_split(np.arange(len(self.rows)), -(-len(self.rows) // REFERENCE_ROWS))
        return [ProbePass(tuple(group.tolist()), self.widths[group[-1]]) for group in groups]

    def ask(self, forward: Callable[[Sequence[Ids], int], Logits], one: ProbePass) -> Logits | None:
        """The logits that `forward` returns for the rows of a pass and its width, or None if it raises."""
        try:
            return forward([self.rows[row] for row in one.rows], one.width)
        except (RuntimeError, ValueError, MemoryError):
            return None

    def _pass(self, index: int, rows: int) -> ProbePass:
        """A pass of `rows` rows at the index-th width: the row of that length, then shorter ones, cyclically."""
        return ProbePass(tuple(index - number % (index + 1) for number in range(rows)), self.widths[index])

    def _short_and_long(self) -> Iterable[ProbePass]:
        for index, width in enumerate(self.widths):
            rows = ROWS if width <= EVERY_WIDTH_TO else LONG_ROWS
            yield self._pass(index, rows[index % len(rows)])

    def _widest(self) -> Iterable[ProbePass]:
        """More passes of the longest row, with different other rows, since no wider pass contains it."""
        last = len(self.widths) - 1
        return [self._pass(last, rows) for rows in (1, 2, 3)]

    def _full(self) -> Iterable[ProbePass]:
        for index, width in enumerate(self.widths):
            if width in FULL_WIDTHS:
                yield self._pass(index, FULL_TOKENS // width)


def judge(
    probe: Probe, answers: Sequence[Logits | None], reference: Logits | None, precision: Precision
) -> Verdict | None:
    """Compares `answers`, in the order of the probe's passes, with `reference`, the rows' logits in fp32.

    fp32 can only be compared with itself: then `reference` is None, and `answers` has the answers to the probe's
    passes and, after them, to its reference passes. Returns None if no row's logits are finite: then the cause is
    the model and not the engine.
    """
    passes = probe.passes if reference is not None else [*probe.passes, *probe.reference_passes()]
    labels = next((answer.shape[1] for answer in answers if answer is not None), 1)
    whole = [
        np.full((len(one.rows), labels), np.nan, np.float32) if answer is None else answer
        for one, answer in zip(passes, answers, strict=True)
    ]
    by_row = _by_row(passes, whole, len(probe.rows))
    if reference is None:
        reference = np.array([_median(own) for own in by_row])
    if not np.isfinite(reference).all(axis=1).any():
        return None
    agreed = np.array([_agreed(own, expected) for own, expected in zip(by_row, reference, strict=True)])
    errors = _farthest(passes, whole, reference)
    drifts = _farthest(passes, whole, agreed)
    bounds, scale = BOUNDS[precision], _scale(reference)
    usual = max(OUTLIER * float(np.median(drifts)), BOTH_ERRORS * float(np.median(errors)))
    drift_bound = float(np.clip(usual, bounds.drift * scale, bounds.most_drift * scale))
    error_bound = bounds.error * scale
    wrong = (drifts > drift_bound) | (errors > max(error_bound, OUTLIER * float(np.median(errors))))
    avoided_rows = _wrong_rows(passes, wrong)
    avoided = {
        one.width for one, bad in zip(passes, wrong, strict=True) if bad and len(one.rows) not in avoided_rows
    }
    kept = np.array([one.width not in avoided and len(one.rows) not in avoided_rows for one in passes])
    return Verdict(
        trusted=bool(
            np.median(errors) <= error_bound
            and len(avoided) <= MAX_AVOIDED * len(probe.widths)
            and len(avoided_rows) <= MAX_AVOIDED * len(ROWS)
            # There is no wider pass to pad the widest to.
            and probe.widths[-1] not in avoided
        ),
        avoided_widths=tuple(sorted(avoided)),
        avoided_rows=tuple(sorted(avoided_rows)),
        drift=float(drifts[kept].max(initial=0.0)),
        avoided_drift=float(drifts[~kept].max(initial=0.0)),
        drift_bound=drift_bound,
        error=float(np.median(errors)),
        error_bound=error_bound,
    )


def _wrong_rows(passes: Sequence[ProbePass], wrong: NDArray[np.bool_]) -> set[int]:
    """The numbers of rows for which nearly all passes, at different widths, are wrong."""
    counts = {
        rows: [bad for one, bad in zip(passes, wrong, strict=True) if len(one.rows) == rows] for rows in ROWS
    }
    # A single wrong pass may be the fault of its width.
    return {rows for rows, bad in counts.items() if len(bad) > 1 and sum(bad) > WRONG_ROWS * len(bad)}


def _by_row(passes: Sequence[ProbePass], answers: Sequence[Logits], rows: int) -> list[Logits]:
    """The answers to each row, `[passes, labels]`; one from a pass that contains the row more than once."""
    found: list[list[Logits]] = [[] for _ in range(rows)]
    for one, answer in zip(passes, answers, strict=True):
        for row in dict.fromkeys(one.rows):
            found[row].append(answer[one.rows.index(row)])
    return [np.stack(own) for own in found]


def _median(answers: Logits) -> Logits:
    """The median of each label over the finite answers, `[labels]`."""
    finite = answers[np.isfinite(answers).all(axis=1)]
    middle: Logits = np.median(finite, axis=0) if len(finite) else answers[0]
    return middle


def _agreed(answers: Logits, expected: Logits) -> Logits:
    """The answer to a row with the smallest sum of the mean distance to all its answers and the distance to fp32.

    Neither is enough: most answers may have the same error if adjacent widths are wrong, and int8 may be far from
    fp32.
    """
    apart = _distances(answers[:, None], answers[None]).mean(axis=1) + _distances(answers, expected)
    nearest: Logits = answers[apart.argmin()]
    return nearest


def _farthest(passes: Sequence[ProbePass], answers: Sequence[Logits], expected: Logits) -> NDArray[np.float64]:
    """The largest distance of a row from its expected answer, for each pass."""
    pairs = zip(passes, answers, strict=True)
    return np.array([_distances(found, expected[list(one.rows)]).max() for one, found in pairs])


def _distances(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """The largest difference along the last axis, the labels; at most FAILED, also for NaN."""
    apart = np.abs(left.astype(np.float64) - right).max(axis=-1)
    capped: NDArray[np.float64] = np.minimum(np.nan_to_num(apart, nan=FAILED), FAILED)
    return capped


def _scale(reference: Logits) -> float:
    """The spread of logits: the largest standard deviation of a label over rows, or 0.1 of the largest logit."""
    finite = reference[np.isfinite(reference).all(axis=1)]
    return max(float(finite.std(axis=0).max()), 0.1 * float(np.abs(finite).max()))
