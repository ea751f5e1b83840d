"""Single words that carry the sentiment, or none, in short sentences."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import Capability, fill, minimum, thin

_CASES: Final = 100

_STATEMENTS: Final = (
    "the {thing} was {word}.",
    "the {thing} is {word}.",
    "that is {word:a} {thing}.",
    "what {word:a} {thing}!",
    "this was {word:a} {thing}.",
)
_NEUTRAL_STATEMENTS: Final = (
    "that is {word:a} {thing}.",
    "this is the {word} {thing}.",
    "it was {word:a} {thing}.",
    "there is {word:a} {thing}.",
    "they have {word:a} {thing}.",
)
_ACTIONS: Final = ("I {verb} this {thing}.", "we {verb} the {thing}.")
_NEUTRAL_ACTIONS: Final = ("I {verb} this {thing}.", "we {verb} that {thing} on Monday.")
_NEUTRAL_VERBS: Final = ("saw", "found", "used", "looked at", "asked about")


def capability() -> Capability:
    """Positive, negative and neutral words in context."""
    things = words.THINGS
    positive = fill(_STATEMENTS, thing=things, word=words.POSITIVE) + fill(
        _ACTIONS, thing=things, verb=words.LIKE + words.LIKED
    )
    negative = fill(_STATEMENTS, thing=things, word=words.NEGATIVE) + fill(
        _ACTIONS, thing=things, verb=words.DISLIKE + words.DISLIKED
    )
    neutral = fill(_NEUTRAL_STATEMENTS, thing=things, word=words.NEUTRAL) + fill(
        _NEUTRAL_ACTIONS, thing=things, verb=_NEUTRAL_VERBS
    )
    return Capability(
        "vocabulary",
        (
            minimum("positive words", thin(positive, _CASES), 1),
            minimum("negative words", thin(negative, _CASES), -1),
            minimum("neutral words", thin(neutral, _CASES), 0),
        ),
    )
