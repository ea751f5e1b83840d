"""Which models the suite can judge: those whose labels are negative, positive and at most one neutral."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.terminal import few

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUPPORTED: Final = ([-1, 1], [-1, 0, 1])


def in_order(labels: Sequence[str], polarity: Mapping[str, int] | None) -> tuple[int, ...] | None:
    """-1, 0 or 1 for each label, from what the manifest says; None for a model that cannot be judged."""
    known = tuple((polarity or {})[label] for label in labels if label in (polarity or {}))
    return known if len(known) == len(labels) and sorted(known) in _SUPPORTED else None


def unsupported(labels: Sequence[str]) -> str:
    """Why the suite is not run on a model with these labels."""
    return (
        f"the labels {few(labels)} are not known to be negative, positive and at most one "
        "neutral (--polarity of train and adopt says what they are)"
    )
