"""A probe finds the pass shapes for which an engine answers wrongly, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.inference.probe.pass_shapes import pass_widths
from shared.inference.probe.probe import (
    BOUNDS,
    FULL_TOKENS,
    FULL_WIDTHS,
    REFERENCE_ROWS,
    ROWS,
    Probe,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.probe.probe import Precision

LABELS: Final = 3
VOCABULARY: Final = 500
LONGEST: Final = 64
SAMPLE: Final = [np.random.default_rng(1).integers(3, VOCABULARY, 40).astype(np.int32) for _ in range(4)]


def never(_rows: int, _width: int) -> bool:
    """Avoids no shape."""
    return False


@dataclass
class StandIn:
    """An engine whose logits are the mean of its values for the tokens, and of half of them if it is `wrong`.

    A kernel that stops half-way through the keys does the same, and one such kernel was about as far off.
    """

    wrong: Callable[[int, int], bool] = never
    """By rows and width of a pass."""
    rounding: float = 0.0
    """Distance from fp32 that depends on the row alone, as with int8."""
    jitter: float = 0.0
    """Largest distance between two passes of a row."""
    table: NDArray[np.float64] = field(
        default_factory=lambda: np.random.default_rng(2).normal(scale=4.0, size=(VOCABULARY, LABELS))
    )

    def forward(self, rows: Sequence[Ids], width: int) -> Logits:
        """As the engine returns them: [rows, labels]."""
        assert all(len(row) <= width for row in rows)
        share = 2 if self.wrong(len(rows), width) else 1
        return np.array([self._answer(row, len(row) // share, width) for row in rows], np.float32)

    def _answer(self, row: Ids, tokens: int, width: int) -> NDArray[np.float64]:
        own = np.random.default_rng(int(row.sum())).uniform(-1, 1, LABELS)
        passing = np.random.default_rng([int(row.sum()), width]).uniform(-0.5, 0.5, LABELS)
        answer: NDArray[np.float64] = self.table[row[:tokens]].sum(axis=0) / len(row)
        return answer + self.rounding * own + self.jitter * passing


def found(engine: StandIn, precision: Precision = "int8", longest: int = LONGEST) -> Verdict:
    """The verdict about an engine, compared with a correct one; in fp32 compared with itself."""
    probe = Probe(longest, SAMPLE)
    passes, reference = [*probe.passes, *probe.reference_passes()], None
    if precision != "fp32":
        passes = probe.passes
        reference = np.concatenate([StandIn().forward([row], len(row)) for row in probe.rows])
    verdict = judge(probe, [probe.ask(engine.forward, one) for one in passes], reference, precision)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("longest", [3, 10, LONGEST, 100, 512])
def test_every_width_and_number_of_rows_is_asked(longest: int) -> None:
    """Given a longest row, when passes are made, then each width has a row of its length, each row its passes."""
    probe = Probe(longest, SAMPLE)

    assert {one.width for one in probe.passes} == set(pass_widths(longest))
    assert [len(row) for row in probe.rows] == list(probe.widths)
    for one in probe.passes:
        assert len(probe.rows[one.rows[0]]) == one.width
        assert all(len(probe.rows[row]) <= one.width for row in one.rows)
    if longest >= LONGEST:
        assert {len(one.rows) for one in probe.passes if one.width <= LONGEST} >= set(ROWS)
        for width in FULL_WIDTHS:
            assert max(len(one.rows) * one.width for one in probe.passes if one.width == width) == FULL_TOKENS
        asked = [{one.width for one in probe.passes if row in one.rows} for row in range(len(probe.rows))]
        assert all(
            len(widths) >= 3 for widths, row in zip(asked, probe.rows, strict=True) if len(row) < LONGEST - 3
        )
    referred = [row for one in probe.reference_passes() for row in one.rows]
    assert referred == list(range(len(probe.rows)))
    assert all(len(one.rows) <= REFERENCE_ROWS for one in probe.reference_passes())


@pytest.mark.parametrize(
    ("precision", "rounding", "jitter"), [("fp32", 1e-5, 1e-5), ("bf16", 0.02, 0.005), ("int8", 0.3, 0.03)]
)
@pytest.mark.parametrize("longest", [3, 9, LONGEST, 128])
def test_rounding_is_not_blamed(precision: Precision, rounding: float, jitter: float, longest: int) -> None:
    """Given an engine that is as noisy as its precision, when probed, then no shape is avoided."""
    verdict = found(StandIn(rounding=rounding, jitter=jitter), precision, longest)

    assert verdict.trusted
    assert verdict.avoided_widths == verdict.avoided_rows == ()
    assert verdict.error <= verdict.error_bound
    assert verdict.drift <= verdict.drift_bound


@pytest.mark.parametrize("width", [3, 16, 18, 32, 63])
@pytest.mark.parametrize(
    ("precision", "rounding", "jitter"), [("fp32", 0.0, 1e-5), ("int8", 0.0, 0.0), ("int8", 0.3, 0.03)]
)
def test_a_wrong_width_is_avoided(width: int, precision: Precision, rounding: float, jitter: float) -> None:
    """Given an engine that is wrong at one width, when probed, then passes of that width become wider."""
    verdict = found(StandIn(lambda _, w: w == width, rounding, jitter), precision)

    assert verdict.trusted
    assert verdict.avoided_widths == (width,)
    assert verdict.avoided_rows == ()
    assert verdict.avoided_drift > verdict.drift_bound >= verdict.drift
    assert verdict.shapes(LONGEST).fit(2, width) == (2, width + 1, True)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("precision", "noise"), [("fp32", 0.0), ("int8", 0.3)])
def test_a_wrong_number_of_rows_is_avoided(rows: int, precision: Precision, noise: float) -> None:
    """Given an engine that is wrong with a number of rows, when probed, then such passes get another row."""
    verdict = found(StandIn(lambda r, _: r == rows, noise, noise / 10), precision)

    assert verdict.trusted
    assert verdict.avoided_rows == (rows,)
    assert verdict.avoided_widths == ()
    assert verdict.shapes(LONGEST).fit(rows, 20) == (rows + 1, 20, True)


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(3, LONGEST - 1), min_size=1, max_size=5), st.sampled_from([0.0, 0.2]))
def test_all_wrong_widths_are_avoided(widths: set[int], rounding: float) -> None:
    """Given any few wrong widths, neighbours or not, when probed, then all are avoided, and few others."""
    verdict = found(StandIn(lambda _, w: w in widths, rounding, rounding / 10))

    assert set(verdict.avoided_widths) >= widths
    assert len(set(verdict.avoided_widths) - widths) <= len(widths)
    assert verdict.avoided_rows == ()
    assert verdict.trusted


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda _rows, width: width == LONGEST,
        lambda _rows, width: width % 2 == 0,
        lambda rows, _width: rows in {2, 3, 4},
    ],
    ids=["the widest", "every other width", "three numbers of rows"],
)
def test_what_cannot_be_gone_round_is_not_trusted(wrong: Callable[[int, int], bool], precision: Precision) -> None:
    """Given an engine that is wrong in too many shapes to avoid, when probed, then it is not trusted."""
    assert not found(StandIn(wrong), precision).trusted


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("rounding", [0.0, 0.1])
def test_what_is_wrong_in_every_pass_is_not_trusted(precision: Precision, rounding: float) -> None:
    """Given an engine that is wrong in all shapes alike, when compared with fp32, then it is not trusted."""
    same = StandIn(table=np.tile(np.array([3.0, 0.0, -3.0]), (VOCABULARY, 1)))

    assert not found(StandIn(lambda _rows, _width: True, rounding), precision).trusted
    assert not found(same, precision).trusted


@pytest.mark.parametrize("width", [16, 40])
@pytest.mark.parametrize("way", [RuntimeError, np.nan])
def test_a_pass_that_fails_is_avoided(width: int, way: type[RuntimeError] | float) -> None:
    """Given an engine that raises, or answers with NaN, at one width, when probed, then that is avoided."""

    class Failing(StandIn):
        def forward(self, rows: Sequence[Ids], width_: int) -> Logits:
            if width_ == width and way is RuntimeError:
                raise RuntimeError("no such kernel")
            return super().forward(rows, width_) * (np.float32(np.nan) if width_ == width else 1)

    verdict = found(Failing())

    assert verdict.trusted
    assert verdict.avoided_widths == (width,)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_model_that_is_not_finite_is_no_matter_of_the_engine() -> None:
    """Given a model whose fp32 is NaN, when judged, then there is no verdict."""
    probe = Probe(LONGEST, SAMPLE)
    reference = np.full((len(probe.rows), LABELS), np.nan, np.float32)

    assert judge(probe, [None] * len(probe.passes), reference, "int8") is None
