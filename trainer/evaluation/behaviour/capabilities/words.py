"""Words that several capabilities share. `trainer/data/augment/contrast.py` uses others (a test compares them)."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.behaviour.cases import fill, thin

THINGS: Final = ("film", "phone", "hotel", "service", "food", "update", "show", "flight", "coffee", "app")
"""What people rate; each fits "the ... was good" and "I like the ..."."""

POSITIVE: Final = ("great", "excellent", "wonderful", "amazing", "lovely", "fantastic", "brilliant", "superb")
NEGATIVE: Final = ("terrible", "awful", "horrible", "bad", "dreadful", "disappointing", "useless", "appalling")
NEUTRAL: Final = ("weekly", "local", "regional", "standard", "second", "new", "digital", "private")

MILD_POSITIVE: Final = ("good", "great", "pleasant", "reliable", "excellent", "wonderful")
"""Their negation is a complaint; "not amazing" need not be one."""

LIKE: Final = ("like", "love", "enjoy", "recommend", "admire")
DISLIKE: Final = ("dislike", "hate", "regret", "despise", "detest")
LIKED: Final = ("liked", "loved", "enjoyed", "recommended", "admired")
DISLIKED: Final = ("disliked", "hated", "regretted", "despised", "detested")

_REVIEWS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "we stayed there for three nights in May and the {thing} was {positive} from start to finish",
        "after two weeks of daily use I can say that the {thing} is {positive}",
        "my order arrived on time and the {thing} turned out to be {positive}",
        "just got home from the town and the {thing} was really {positive} again",
    ),
    0: (
        "the {thing} is mentioned on the second page of the list they sent us",
        "they will talk about the {neutral} {thing} at the meeting on Thursday morning",
        "the {thing} starts at seven and the doors are next to the station",
        "we wrote down the number of the {neutral} {thing} before we left the building",
    ),
    -1: (
        "we stayed there for three nights in May and the {thing} was {negative} from start to finish",
        "after two weeks of daily use I can say that the {thing} is {negative}",
        "my order arrived on time but the {thing} turned out to be {negative}",
        "just got home from the town and the {thing} was really {negative} again",
    ),
}
"""Templates of longer sentences by polarity."""


def reviews(count: int) -> tuple[str, ...]:
    """About `count` sentences, a third of each polarity, to which something that does not matter can be done."""
    return tuple(
        f"{text}."
        for templates in _REVIEWS.values()
        for text in thin(
            fill(templates, thing=THINGS, positive=POSITIVE, negative=NEGATIVE, neutral=NEUTRAL),
            count // len(_REVIEWS),
        )
    )
