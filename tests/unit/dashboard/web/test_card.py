"""The model's card has the figures of the held-out rows, or says that there are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dashboard.web.card import card
from shared.model_folder.manifest import Base, Manifest, TrainingData


def manifest(**changes: Any) -> Manifest:
    """A model of two labels."""
    return Manifest(
        name="demo",
        labels=("negative", "positive"),
        max_tokens=128,
        base=Base(name="minilm", revision="1"),
        created_at=datetime(2026, 11, 26, tzinfo=UTC),
        **changes,
    )


def test_the_card_has_the_figures_of_the_test_rows() -> None:
    """Given a trained model, then its macro-F1, calibration error, rows, data and date are on the card."""
    trained = manifest(
        metrics={"test": {"rows": 600, "macro_f1": 0.812, "ece": 0.021}},
        data=TrainingData(source="vader-tweets", rows=3_000, fingerprint="x"),
    )
    assert card(trained, "v1") == {
        "name": "demo",
        "version": "v1",
        "macro_f1": 0.812,
        "ece": 0.021,
        "rows": 600,
        "data": "vader-tweets",
        "created_at": "2026-11-26T00:00:00+00:00",
    }


def test_an_adopted_model_has_no_figures() -> None:
    """Given a model without metrics and data, then the card has its name and nothing invented."""
    found = card(manifest(), "v1")
    assert (found["macro_f1"], found["ece"], found["data"]) == (None, None, None)
