"""Asks an engine for passes of every shape class and tells which of its answers cannot be right. Pure.

A row's answer hardly depends on how far it is padded or on what shares its pass, in any precision: with MiniLM on
an EPYC with AVX-512 logits moved by 2e-6 in fp32, 0.004 in bf16 and 0.02 in int8. So each row is asked in several
passes, and a pass that disagrees with the others about a row is wrong. What is wrong in every pass alike shows
next to fp32, which int8 is up to 0.3 away from when all is well.

Not every pair of rows and width is asked: each width with one number of rows, each number from 1 to 8 with every
eighth width, and full passes at a few widths. A pair that is wrong although its width and its number are right
elsewhere is found only where it is among them. Nor is an fp32 found that is wrong in every pass alike: nothing
here is more exact.
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
"""Counts up where passes or bounds change, so that what was remembered is asked again."""
ROWS: Final = (8, 1, 7, 2, 6, 3, 5, 4)
"""Rows of the passes, width by width. In this order each row is asked at three widths or more."""
LONG_ROWS: Final = (2, 1)
"""The same beyond EVERY_WIDTH_TO, where passes are dear."""
FULL_WIDTHS: Final = (8, 16, 32, 64)
FULL_TOKENS: Final = 1_024
"""Passes of so many tokens are what a loaded consumer runs most; one is asked at each of FULL_WIDTHS."""
REFERENCE_ROWS: Final = 12
"""At most so many rows have a reference pass together; nearly so many do, more than in the passes of few rows."""
OUTLIER: Final = 8.0
"""So many times the median of all passes is no longer rounding. Largest of the good ones: 3.5 (int8, MiniLM)."""
BOTH_ERRORS: Final = 3.0
"""Two passes that are both rightly rounded may be apart by both their errors, and a half more."""
MAX_AVOIDED: Final = 0.25
"""Share of the widths that may be avoided; with more, something other than a shape is wrong."""
WRONG_ROWS: Final = 0.75
"""With more of the passes with a number of rows wrong, it is that number and not their widths."""
FAILED: Final = 1e9
"""Distance of a pass that failed or gave what is not finite."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What rounding may do to a logit, in units of how much logits differ from row to row (`_scale`)."""

    drift: float
    """Between two passes of a row, however quiet all others are."""
    most_drift: float
    """The same, however noisy they are."""
    error: float
    """From fp32: of the median pass at most, else no pass can be trusted."""


BOUNDS: Final[dict[Precision, Bounds]] = {
    "fp32": Bounds(drift=0.002, most_drift=0.02, error=0.02),
    "bf16": Bounds(drift=0.1, most_drift=0.3, error=0.25),
    "int8": Bounds(drift=0.1, most_drift=0.4, error=0.9),
}
"""Measured on AVX-512, as shares of that unit, the largest drift and the median error: with MiniLM 2e-6 and 1e-6
in fp32, 0.003 and 0.006 in bf16, 0.015 and 0.04 in int8; with a BERT-base of random weights 0.07 and 0.08 in bf16,
0.19 and 0.59 in int8. The fault seen with AMX drifts by more than 1; mixed-up answers have an error of 2."""


@dataclass(frozen=True, slots=True)
class ProbePass:
    """One pass: which of the probe's rows it carries, padded to which width."""

    rows: tuple[int, ...]
    width: int


class Verdict(BaseModel, frozen=True, extra="forbid"):
    """What the probe found; distances are between logits."""

    trusted: bool
    avoided_widths: tuple[int, ...] = ()
    avoided_rows: tuple[int, ...] = ()
    drift: float = 0.0
    """Largest, in what is not avoided."""
    avoided_drift: float = 0.0
    """Largest, in what is."""
    drift_bound: float = 0.0
    error: float = 0.0
    """From fp32, of the median pass."""
    error_bound: float = 0.0

    def shapes(self, longest: int) -> PassShapes:
        """The shapes that passes of rows of up to `longest` tokens may have."""
        return PassShapes(pass_widths(longest), frozenset(self.avoided_widths), frozenset(self.avoided_rows))


class Probe:
    """The rows and the passes for texts of up to `longest` tokens."""

    def __init__(self, longest: int, sample: Sequence[Ids]) -> None:
        """Makes a row of each width from the tokens of `sample`, whole texts with their special tokens.

        It should be text such as the model reads: outside of it the ranges of int8 do not fit.
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
        """Passes that hold each row once, to be asked in fp32."""
        groups = np.array_split(np.arange(len(self.rows)), -(-len(self.rows) // REFERENCE_ROWS))
        return [ProbePass(tuple(group.tolist()), self.widths[group[-1]]) for group in groups]

    def ask(self, forward: Callable[[Sequence[Ids], int], Logits], one: ProbePass) -> Logits | None:
        """The answer of `forward` to the rows of a pass and its width, or None where it raises."""
        try:
            return forward([self.rows[row] for row in one.rows], one.width)
        except (RuntimeError, ValueError, MemoryError):
            return None

    def _pass(self, index: int, rows: int) -> ProbePass:
        """`rows` rows at the index-th width: that of its length, and the next shorter ones, over and over."""
        return ProbePass(tuple(index - number % (index + 1) for number in range(rows)), self.widths[index])

    def _short_and_long(self) -> Iterable[ProbePass]:
        for index, width in enumerate(self.widths):
            rows = ROWS if width <= EVERY_WIDTH_TO else LONG_ROWS
            yield self._pass(index, rows[index % len(rows)])

    def _widest(self) -> Iterable[ProbePass]:
        """No wider pass holds the longest row again, so it is asked with other neighbours."""
        last = len(self.widths) - 1
        return [self._pass(last, rows) for rows in (1, 2, 3)]

    def _full(self) -> Iterable[ProbePass]:
        for index, width in enumerate(self.widths):
            if width in FULL_WIDTHS:
                yield self._pass(index, FULL_TOKENS // width)


def judge(
    probe: Probe, answers: Sequence[Logits | None], reference: Logits | None, precision: Precision
) -> Verdict | None:
    """What `answers` to the probe's passes, in their order, tell next to `reference`, the rows' logits in fp32.

    In fp32 there is nothing to compare with but itself: then `reference` is None, and `answers` are those to the
    probe's passes and, after them, to its reference passes. The result is None where no row's logits are finite:
    the model is at fault and not the engine.
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
    """The numbers of rows of which nearly all passes, at different widths, are wrong."""
    counts = {
        rows: [bad for one, bad in zip(passes, wrong, strict=True) if len(one.rows) == rows] for rows in ROWS
    }
    return {rows for rows, bad in counts.items() if len(bad) > 1 and sum(bad) > WRONG_ROWS * len(bad)}


def _by_row(passes: Sequence[ProbePass], answers: Sequence[Logits], rows: int) -> list[Logits]:
    """Of each row its answers `[passes, labels]`; one of a pass that holds it more than once."""
    found: list[list[Logits]] = [[] for _ in range(rows)]
    for one, answer in zip(passes, answers, strict=True):
        for row in dict.fromkeys(one.rows):
            found[row].append(answer[one.rows.index(row)])
    return [np.stack(own) for own in found]


def _median(answers: Logits) -> Logits:
    """Of each label, over the answers that are finite."""
    finite = answers[np.isfinite(answers).all(axis=1)]
    middle: Logits = np.median(finite, axis=0) if len(finite) else answers[0]
    return middle


def _agreed(answers: Logits, expected: Logits) -> Logits:
    """Of a row's answers the nearest to the others, on average, and to fp32, which counts as much as they.

    Most of them may be wrong alike, where adjacent widths are; and int8 alone may be far from fp32.
    """
    apart = _distances(answers[:, None], answers[None]).mean(axis=1) + _distances(answers, expected)
    nearest: Logits = answers[apart.argmin()]
    return nearest


def _farthest(passes: Sequence[ProbePass], answers: Sequence[Logits], expected: Logits) -> NDArray[np.float64]:
    """Of each pass the distance of the row that is farthest from what is expected."""
    pairs = zip(passes, answers, strict=True)
    return np.array([_distances(found, expected[list(one.rows)]).max() for one, found in pairs])


def _distances(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Between the last axes, by the label that differs most."""
    apart = np.abs(left.astype(np.float64) - right).max(axis=-1)
    capped: NDArray[np.float64] = np.minimum(np.nan_to_num(apart, nan=FAILED), FAILED)
    return capped


def _scale(reference: Logits) -> float:
    """How much logits differ from row to row; at least a tenth of the largest, where they hardly do."""
    finite = reference[np.isfinite(reference).all(axis=1)]
    return max(float(finite.std(axis=0).max()), 0.1 * float(np.abs(finite).max()))
