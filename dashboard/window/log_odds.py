"""Which terms rose or fell: the weighted log-odds ratio with an informative Dirichlet prior.

Monroe, Colaresi and Quinn, "Fightin' Words", Political Analysis 16 (2008), equations 15, 16, 19 and 22. The prior
is the share of a term in both periods together, so a term that is frequent in both, such as a stop word, has a
value near 0 without any list of stop words.
"""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRIOR_TERMS: Final = 500.0
"""Weight of the prior, in terms: the pseudo-counts of all terms together."""
LEAST: Final = 4
"""Texts that must hold a term, in both periods together: one person's typo is no topic."""


class Change(NamedTuple):
    """How the use of a term changed."""

    term: str
    z: float
    """Log-odds ratio in standard deviations: above 0 it rose."""
    now: int
    """Texts of the later period that hold it."""
    before: int


def changes(now: Mapping[str, int], before: Mapping[str, int], least: int = LEAST) -> Iterator[Change]:
    """The change of each term that enough texts hold; none where a period is empty."""
    all_now, all_before = sum(now.values()), sum(before.values())
    if not all_now or not all_before:
        return
    for term in now.keys() | before.keys():
        y_now, y_before = now.get(term, 0), before.get(term, 0)
        if y_now + y_before < least:
            continue
        alpha = PRIOR_TERMS * (y_now + y_before) / (all_now + all_before)
        a, b = y_now + alpha, y_before + alpha
        # A term that is all of both periods has no other terms to be compared with.
        rest_now, rest_before = all_now + PRIOR_TERMS - a, all_before + PRIOR_TERMS - b
        if rest_now <= 0 or rest_before <= 0:
            continue
        ratio = log(a / rest_now) - log(b / rest_before)
        yield Change(term, ratio / sqrt(1 / a + 1 / b), y_now, y_before)
