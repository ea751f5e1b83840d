"""Occlusion: the weight of a word is what the log-odds lose when it is left out. For any model that scores texts.

Weights need not add up to the log-odds: of two words that say the same, each can be left out without a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.inference.explanation.words import Explanation, Method, Word, log_odds, spans
from shared.inference.types import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.inference.types import Unscorable


def by_occlusion(
    score: Callable[[Sequence[str]], Sequence[Score | Unscorable]], text: str
) -> Explanation | Unscorable:
    """Explains the label of a normalised text; returns why not if it has no score.

    `score` is called once, with the variants of the text.
    """
    return explained(text, score(variants(text)))


def variants(text: str) -> list[str]:
    """A normalised text, and then for each of its words what is left without it."""
    return [text, *(f"{text[: one.start]} {text[one.end :]}" for one in spans(text))]


def explained(text: str, answers: Sequence[Score | Unscorable]) -> Explanation | Unscorable:
    """The explanation by the answers to the variants; where nothing is left, all labels are equally probable."""
    found = spans(text)
    whole, *others = answers
    if not isinstance(whole, Score):
        return whole
    chance = [1 / len(whole.probabilities)] * len(whole.probabilities)
    all_of_it = log_odds(whole.probabilities, whole.label)
    words = (
        Word(
            text[span.start : span.end],
            all_of_it - log_odds(other.probabilities if isinstance(other, Score) else chance, whole.label),
        )
        for span, other in zip(found, others, strict=True)
    )
    return Explanation(Method.OCCLUSION, whole.model.labels[whole.label], all_of_it, tuple(words))
