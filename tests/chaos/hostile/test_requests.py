"""A slice of the hostile requests of `python -m tests.chaos.hostile.requests`."""

from __future__ import annotations

from tests.chaos.hostile.requests import try_all


def test_any_request_has_a_documented_answer() -> None:
    """Given 300 requests with mutated bodies and broken heads, then no answer is a 5xx that nobody documents."""
    figures = try_all(300, seed=1)

    assert sum(figures["statuses"].values()) == 300
    assert figures["statuses"]["200"]
