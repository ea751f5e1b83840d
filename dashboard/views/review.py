"""The queue of texts that need a label. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dashboard.window.review import Review

SHOWN: Final = 12
"""Texts of a frame: more than anybody labels in half a second."""


def review(queue: Review) -> dict[str, Any]:
    """The texts of which the model is least sure, and how many wait."""
    return {
        "waiting": len(queue),
        "items": [
            {
                "source": list(one.source),
                "text": one.text,
                "label": one.record.label,
                "probabilities": one.record.probabilities,
                "margin": one.margin,
                "alike": one.alike,
            }
            for one in queue.first(SHOWN)
        ],
    }
