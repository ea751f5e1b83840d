"""Records for the tests of the window."""

from __future__ import annotations

from typing import Any

from dashboard.window.records import LetterSeen, Place, Scored

NOW_S = 1_790_000_000.0
LABELS = ("negative", "neutral", "positive")


def scored(offset: int = 0, *, at_s: float = NOW_S, label: str = "positive", **changes: Any) -> Scored:
    """A result of one input topic and one model, scored 80 ms after its event."""
    one = Scored(
        place=Place("sentiments", 0, offset),
        event_ms=round(at_s * 1000),
        scored_ms=round(at_s * 1000) + 80,
        id=f"texts-0-{offset}",
        label=label,
        score=0.9,
        probabilities={"negative": 0.05, "neutral": 0.05, "positive": 0.9},
        uncertain=False,
        truncated=False,
        segments=1,
        model_name="minilm",
        model_version="v1",
        source=Place("texts", 0, offset),
        text=None,
        group="",
    )
    return one._replace(**changes)


def letter(
    offset: int = 0, *, at_s: float = NOW_S, error: str = "BadRecord", reason: str = "no text"
) -> LetterSeen:
    """A dead letter."""
    place = Place("sentiments.dlq", 0, offset)
    return LetterSeen(place, round(at_s * 1000), "decode", error, reason, Place("texts", 0, offset))
