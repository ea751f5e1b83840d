"""Negation: next to the word it turns, some words away, and of words without sentiment."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import Capability, fill, minimum, thin

_CASES: Final = 80

_SIMPLE: Final = (
    "the {thing} was not {word}.",
    "the {thing} isn't {word}.",
    "that is not {word:a} {thing}.",
    "this wasn't {word:a} {thing}.",
    "it was never {word:a} {thing}.",
)
_VERBS: Final = (
    "I don't {verb} this {thing}.",
    "we did not {verb} the {thing}.",
    "I can't say I {verb} the {thing}.",
)
_DISTANT: Final = (
    "I don't think that the {thing} was {word}.",
    "nobody who has been here before would call this {word:a} {thing}.",
    "I would not say, after all the time we spent on it, that the {thing} is {word}.",
    "it is not true, whatever the leaflet promises, that this is {word:a} {thing}.",
    "I do not believe that anyone in our group found the {thing} {word}.",
)
_EXPECTED: Final = (
    "I thought the {thing} would be {word}, but it was not.",
    "they said it was {word:a} {thing}, but it isn't.",
    "we expected {word:a} {thing} and it wasn't.",
)
_NEUTRAL: Final = (
    "that is not {word:a} {thing}.",
    "this isn't the {word} {thing}.",
    "it was not {word:a} {thing}.",
    "there is not {word:a} {thing} on this floor.",
    "they do not have {word:a} {thing}.",
)
_MILD_NEGATIVE: Final = ("bad", "terrible", "awful", "horrible", "disappointing", "dreadful")


def capability() -> Capability:
    """A negated positive is negative, a negated negative is not negative, a negated neutral is neutral."""
    things, good, bad = words.THINGS, words.MILD_POSITIVE, _MILD_NEGATIVE
    positive = fill(_SIMPLE, thing=things, word=good) + fill(_VERBS, thing=things, verb=words.LIKE[:4])
    negative = fill(_SIMPLE, thing=things, word=bad) + fill(_VERBS, thing=things, verb=words.DISLIKE[:3])
    neutral = fill(_NEUTRAL, thing=things, word=words.NEUTRAL)
    return Capability(
        "negation",
        (
            minimum("not + positive", thin(positive, _CASES), -1),
            minimum("not + negative", thin(negative, _CASES), 0, 1),
            minimum("distant not + positive", thin(fill(_DISTANT, thing=things, word=good), _CASES), -1),
            minimum("distant not + negative", thin(fill(_DISTANT, thing=things, word=bad), _CASES), 0, 1),
            minimum("expected positive, was not", thin(fill(_EXPECTED, thing=things, word=good), _CASES), -1),
            minimum("not + neutral", thin(neutral, _CASES), 0),
        ),
    )
