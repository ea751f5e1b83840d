"""Names, places and numbers: the answer must not depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.capabilities import words
from trainer.evaluation.behaviour.cases import BehaviourTest, Capability, fill, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASES: Final = 45

_PEOPLE: Final = ("Emily", "Mohammed", "Lakisha", "Wei", "Carlos", "Agnieszka")
_PLACES: Final = ("Boston", "Lagos", "Tehran", "Oslo", "Caracas", "Kyiv")
_NUMBERS: Final = ("2", "7", "13", "40", "250", "1000")

_WITH_PERSON: Final = (
    "{{slot}} booked the {thing} for us and it was {word}.",
    "I told {{slot}} that the {thing} was {word}.",
    "{{slot}} and I agree that this is {word:a} {thing}.",
)
_WITH_PLACE: Final = (
    "the {thing} in {{slot}} was {word}.",
    "on our way to {{slot}} we had {word:a} {thing}.",
    "back from {{slot}}, where the {thing} turned out to be {word}.",
)
_WITH_NUMBER: Final = (
    "after {{slot}} days I find that the {thing} is {word}.",
    "we were {{slot}} people and all of us had {word:a} {thing}.",
    "the {thing} cost me {{slot}} euros and it was {word}.",
)


def capability() -> Capability:
    """Each case is one sentence with each of six names, places or numbers in it."""
    return Capability(
        "names",
        (
            _test("names of people", _WITH_PERSON, _PEOPLE),
            _test("places", _WITH_PLACE, _PLACES),
            _test("numbers", _WITH_NUMBER, _NUMBERS),
        ),
    )


def _test(name: str, templates: Sequence[str], variants: Sequence[str]) -> BehaviourTest:
    frames = [
        frame
        for polar in (words.POSITIVE, words.NEUTRAL, words.NEGATIVE)
        for frame in thin(fill(templates, thing=words.THINGS, word=polar), _CASES // 3)
    ]
    return BehaviourTest(name, "INV", tuple(tuple(fill([frame], slot=variants)) for frame in frames))
