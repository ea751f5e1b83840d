"""What people talk about: terms that rose or fell, with the labels of the texts that hold them. Pure."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final

from dashboard.window.log_odds import changes

if TYPE_CHECKING:
    from dashboard.views.selection import Stretch
    from dashboard.window.log_odds import Change
    from dashboard.window.terms import Terms

SHOWN: Final = 8
"""Terms on each side."""
Z_LEAST: Final = 1.96
"""Below it a change is within the chance of 95 in 100."""
LEAST_TEXTS: Final = 20
"""Texts of a period that is compared; with fewer before, the later half is compared with the earlier one."""


def terms(counted: Terms, stretch: Stretch, label: str) -> dict[str, Any]:
    """Rising and falling terms of a stretch against the one before, of one label or of all."""
    only = label or None
    start, end, span = stretch.start_s, stretch.end_s, stretch.end_s - stretch.start_s
    basis = "before"
    now, n_now = counted.between(start, end, only)
    before, n_before = counted.between(start - span, start, only)
    if n_before < LEAST_TEXTS:
        basis, middle = "halves", start + span // 2
        now, n_now = counted.between(middle, end, only)
        before, n_before = counted.between(start, middle, only)
        start = middle
    found: list[Change] = []
    if n_now and n_before >= LEAST_TEXTS:
        found = list(changes(now, before))
    rising = nlargest(SHOWN, (one for one in found if one.z > Z_LEAST), key=lambda one: one.z)
    falling = nlargest(SHOWN, (one for one in found if one.z < -Z_LEAST), key=lambda one: -one.z)
    labels = counted.labels_of([one.term for one in (*rising, *falling)], start - span, end)
    return {
        "basis": basis,
        "texts": n_now,
        "texts_before": n_before,
        "least": LEAST_TEXTS,
        **{
            name: [
                {"term": one.term, "z": one.z, "now": one.now, "before": one.before, "labels": labels[one.term]}
                for one in some
            ]
            for name, some in (("rising", rising), ("falling", falling))
        },
    }
