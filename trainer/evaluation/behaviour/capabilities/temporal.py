"""Change over time: what somebody thinks now counts, in whatever order it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import Capability, fill, minimum, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASES: Final = 120

_VERBS: Final = (
    "I used to {then} this {thing}, but now I {now} it.",
    "now I {now} this {thing}, although I used to {then} it.",
)
_WORDS: Final = (
    "I used to think this {thing} was {before}, but now I think it is {after}.",
    "the {thing} is {after} now, although in the past it was {before}.",
    "a year ago the {thing} was {before}; today it is {after}.",
)


def capability() -> Capability:
    """Used to dislike, now likes; and the other way round."""
    return Capability(
        "temporal",
        (
            minimum(
                "bad then, good now",
                _turned(words.DISLIKE, words.LIKE, words.NEGATIVE, words.POSITIVE),
                1,
            ),
            minimum(
                "good then, bad now",
                _turned(words.LIKE, words.DISLIKE, words.POSITIVE, words.NEGATIVE),
                -1,
            ),
        ),
    )


def _turned(then: Sequence[str], now: Sequence[str], before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    verbs = fill(_VERBS, then=then, now=now, thing=words.THINGS)
    others = fill(_WORDS, before=before, after=after, thing=words.THINGS)
    return thin(verbs, _CASES // 2) + thin(others, _CASES // 2)
