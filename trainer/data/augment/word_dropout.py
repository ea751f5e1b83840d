"""Word dropout: some words are left out (random deletion of EDA, Wei & Zou 2019, arXiv 1901.11196)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.augment.negation import protected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

RATE: Final = 0.1
"""Probability that a word is left out, as the authors recommend."""
MIN_WORDS: Final = 5
"""A shorter text stays as it is: one of its words may be all that says the label."""


def change(words: Sequence[str], chance: Generator) -> list[str]:
    """The words without some, at least one; negations and what they negate stay."""
    free = [place for place in range(len(words)) if place not in protected(words)]
    if len(words) < MIN_WORDS or not free:
        return list(words)
    drawn = chance.random(len(free))
    dropped = {place for place, number in zip(free, drawn, strict=True) if number < RATE} or {free[drawn.argmin()]}
    return [word for place, word in enumerate(words) if place not in dropped]
