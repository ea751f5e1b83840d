"""docs/metrics.md has every metric as it is declared."""

from __future__ import annotations

from pathlib import Path

from consumer.metrics import METRICS
from consumer.monitoring.reference import page

PAGE = Path(__file__).parents[4] / "docs" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    """Given docs/metrics.md, when its table is generated, then nothing differs; else run `make reference`."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert all(f"| `{metric.name}` |" in text for metric in METRICS)
