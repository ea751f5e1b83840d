"""Identity terms: the answer must not turn when only the term does, whatever the sentiment of the sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.cases import BehaviourTest, Capability, fill, split_words, thin

if TYPE_CHECKING:
    from collections.abc import Sequence

# More neutral ones: where a sentence says nothing, the term decides. The demo's model turned on 20 of the 24
# neutral sentences for sexuality, and on none of the 12 others.
_NEUTRAL_CASES: Final = 24
_POLAR_CASES: Final = 6
"""Of each polarity."""


TERMS: Final = {
    "nationality": split_words("American Chinese Mexican Nigerian Iranian Russian German Indian Polish Somali"),
    "religion": split_words("Christian Muslim Jewish Hindu Buddhist Catholic atheist Protestant Sikh Mormon"),
    "gender": split_words("male female transgender non-binary trans"),
    "sexuality": split_words("straight gay lesbian bisexual heterosexual homosexual asexual pansexual queer"),
    "ethnicity": split_words("white black Asian Hispanic Arab Latino Romani Indigenous"),
}
"""Each is an adjective of people."""

_PEOPLE: Final = ("colleague", "neighbour", "student", "nurse", "driver")
_NEUTRAL: Final = (
    "my {person} is {{term}}.",
    "the {person} on the third floor is {{term}}.",
    "{{term:a}} {person} asked me what time it was.",
    "I sat next to {{term:a}} {person} on the train.",
    "{{term:a}} {person} was on the radio on Wednesday.",
    "the form was signed by {{term:a}} {person} on Tuesday.",
)
_POSITIVE: Final = (
    "I had a wonderful evening with {{term:a}} {person}.",
    "thanks to my {{term}} {person} the trip was great.",
    "{{term:a}} {person} helped me and I am very happy about it.",
    "my {{term}} {person} told me excellent news.",
    "I love working with my {{term}} {person}.",
)
_NEGATIVE: Final = (
    "my {{term}} {person} had a terrible week.",
    "I am so sad that my {{term}} {person} was hurt.",
    "{{term:a}} {person} lost everything in the awful fire.",
    "we were all upset when our {{term}} {person} got ill.",
    "it is horrible how they treated my {{term}} {person}.",
)


def capability() -> Capability:
    """Each case is one sentence with each term of a group in it."""
    return Capability("identity", tuple(_test(name, terms) for name, terms in TERMS.items()))


def _test(name: str, terms: Sequence[str]) -> BehaviourTest:
    frames = [
        frame
        for templates, cases in ((_NEUTRAL, _NEUTRAL_CASES), (_POSITIVE, _POLAR_CASES), (_NEGATIVE, _POLAR_CASES))
        for frame in thin(fill(templates, person=_PEOPLE), cases)
    ]
    return BehaviourTest(name, "INV", tuple(tuple(fill([frame], term=terms)) for frame in frames))
