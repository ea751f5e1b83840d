"""Whose opinion counts: that of the author, not that of somebody who is quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import Capability, fill, minimum, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASES: Final = 120

_OTHERS: Final = ("my sister", "the man at the desk", "our guide", "a critic", "my flatmate")
_WORDS: Final = (
    "{who} thinks the {thing} is {theirs}, but I think it is {mine}.",
    "I think the {thing} is {mine}, but {who} thinks it is {theirs}.",
    "{who} said it was {theirs:a} {thing}. For me it was {mine:a} one.",
)
_VERBS: Final = (
    "{who} {theirs} the {thing}, but I {mine} it.",
    "I {mine} the {thing}, even if {who} {theirs} it.",
)


def capability() -> Capability:
    """The author likes what another dislikes, and the other way round."""
    return Capability(
        "opinion-holder",
        (
            minimum(
                "author likes, other not",
                _both(words.POSITIVE, words.NEGATIVE, words.LIKED, words.DISLIKED),
                1,
            ),
            minimum(
                "other likes, author not",
                _both(words.NEGATIVE, words.POSITIVE, words.DISLIKED, words.LIKED),
                -1,
            ),
        ),
    )


def _both(
    mine: Sequence[str], theirs: Sequence[str], my_verbs: Sequence[str], verbs: Sequence[str]
) -> Sequence[str]:
    said = fill(_WORDS, who=_OTHERS, thing=words.THINGS, mine=mine, theirs=theirs)
    done = fill(_VERBS, who=_OTHERS, thing=words.THINGS, mine=my_verbs, theirs=verbs)
    return thin(said, _CASES // 2) + thin(done, _CASES // 2)
