"""The polarity of a model's labels: what the suite needs to know which answers are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_OF_NAME: Final = {"negative": -1, "neutral": 0, "positive": 1}
_SUPPORTED: Final = ([-1, 1], [-1, 0, 1])


def label_polarity(labels: Sequence[str]) -> tuple[int, ...] | None:
    """-1, 0 or 1 for each label; None unless the labels are negative, positive and at most one neutral."""
    found = [_OF_NAME.get(label.casefold()) for label in labels]
    known = [one for one in found if one is not None]
    return tuple(known) if len(known) == len(found) and sorted(known) in _SUPPORTED else None


def unsupported(labels: Sequence[str]) -> str:
    """Why the suite is not run on a model with these labels."""
    return (
        f"the labels {', '.join(map(repr, labels))} are not negative, positive and at most one neutral, so the "
        "right answers to the sentences are not known"
    )
