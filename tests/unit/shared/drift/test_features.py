"""Results as numbers, and their histograms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.drift.features import BINS, FEATURES, Bins, Results, reference_of
from shared.drift.reference import MIN_ROWS, Reference
from shared.inference.types import ModelIdentity, Score

LABELS = ("no", "yes", "perhaps")
MODEL = ModelIdentity("m", "1", LABELS)


def results(rows: int, seed: int = 0) -> Results:
    """Random answers of a model."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet((1.0, 1.0, 1.0), rows)
    unknown = np.where(generator.random(rows) < 0.02, 0.3, 0.0)
    return Results(probabilities, probabilities.argmax(axis=1), generator.integers(3, 60, rows), unknown)


def test_scores_become_numbers() -> None:
    """Given scores, one of which is sure and one is not, when read, then each feature has its number."""
    sure = Score((1.0, 0.0, 0.0), 0, 7, 8.0, truncated=False, model=MODEL, unknown_share=0.5)
    unsure = Score((1 / 3, 1 / 3, 1 / 3), 2, 9, 9.0, truncated=True, model=MODEL)

    values = Results.of([sure, unsure]).values()

    assert {name: one.tolist() for name, one in values.items()} == {
        "labels": [0, 2],
        "confidence": [1.0, pytest.approx(1 / 3)],
        "entropy": [0.0, pytest.approx(1.0)],
        "tokens": [7, 9],
        "unknown_share": [0.5, 0.0],
    }


@given(st.integers(MIN_ROWS, 400), st.integers(0, 2**32 - 1))
def test_a_reference_counts_its_own_rows_as_it_says(rows: int, seed: int) -> None:
    """Given validation rows, when counted in the bins of their own reference, then its counts come out again.

    Through JSON, as a manifest keeps it.
    """
    own = results(rows, seed)
    reference = reference_of(own, LABELS)
    assert reference is not None

    bins = Bins(Reference.model_validate_json(reference.model_dump_json()), LABELS)

    counts = bins.counts(own.values())
    for name in FEATURES:
        assert counts[name].tolist() == bins.reference[name].tolist()
        assert counts[name].sum() == rows
        assert len(counts[name]) <= max(BINS, len(LABELS))


def test_too_few_rows_make_no_reference() -> None:
    """Given fewer rows than a reference needs, when asked for one, then there is none."""
    assert reference_of(results(MIN_ROWS - 1), LABELS) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": {"no": 1, "yes": 1, "perhaps": 1}}, "count every row"),
        ({"tokens": {"edges": [5.0, 5.0], "counts": [50, 50, 50], "mean": 1}}, "edges must ascend"),
        ({"tokens": {"edges": [5.0], "counts": [150], "mean": 1}}, "one number more than edges"),
        ({"rows": 99}, "greater than or equal to 100"),
    ],
)
def test_a_reference_that_does_not_add_up_is_refused(change: dict[str, object], said: str) -> None:
    """Given a manifest that somebody edited, when read, then it is refused."""
    reference = reference_of(results(150), LABELS)
    assert reference is not None
    with pytest.raises(ValidationError, match=said):
        Reference.model_validate(reference.model_dump() | change)
