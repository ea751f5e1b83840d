"""A question and its answer: the sentiment is in neither of them alone."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import Capability, fill, minimum, thin

_CASES: Final = 60

_WORDS: Final = ("is the {thing} {word}? {answer}", "do I think it was {word:a} {thing}? {answer}")
_VERBS: Final = ("do I {verb} this {thing}? {answer}", "did we {verb} the {thing}? {answer}")
_YES: Final = ("Yes.", "Yes!", "Yes, I do say so.")
_NO: Final = ("No.", "No!", "No, I don't say so.")


def capability() -> Capability:
    """Yes and no to questions with positive, negative and neutral words."""
    positive = {"thing": words.THINGS, "word": words.MILD_POSITIVE, "verb": words.LIKE[:3]}
    negative = {"thing": words.THINGS, "word": words.NEGATIVE, "verb": words.DISLIKE[:3]}
    neutral = {"thing": words.THINGS, "word": words.NEUTRAL}
    both = _WORDS + _VERBS
    return Capability(
        "question-answer",
        (
            minimum("positive? yes", thin(fill(both, answer=_YES, **positive), _CASES), 1),
            minimum("positive? no", thin(fill(both, answer=_NO, **positive), _CASES), -1),
            minimum("negative? yes", thin(fill(both, answer=_YES, **negative), _CASES), -1),
            minimum("negative? no", thin(fill(both, answer=_NO, **negative), _CASES), 0, 1),
            minimum("neutral? yes or no", thin(fill(_WORDS, answer=_YES[:2] + _NO[:2], **neutral), _CASES), 0),
        ),
    )
