"""An emoji after a sentence: it must not move the answer against its own sentiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.behaviour.capabilities.words import reviews
from trainer.evaluation.behaviour.cases import BehaviourTest, Capability, Polarity, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

_SENTENCES: Final = 120

_POSITIVE: Final = (
    "\N{GRINNING FACE}",
    "\N{SMILING FACE WITH HEART-SHAPED EYES}",
    "\N{PARTY POPPER}",
    "\N{THUMBS UP SIGN}",
    "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}",
    "\N{SMILING FACE WITH SMILING EYES}",
    "\N{CLAPPING HANDS SIGN}",
)
_NEGATIVE: Final = (
    "\N{POUTING FACE}",
    "\N{DISAPPOINTED FACE}",
    "\N{THUMBS DOWN SIGN}",
    "\N{CRYING FACE}",
    "\N{FACE WITH OPEN MOUTH VOMITING}",
    "\N{BROKEN HEART}",
    "\N{ANGRY FACE}",
)


def capability() -> Capability:
    """A positive emoji may raise the answer, a negative one may lower it."""
    return Capability("emoji", (_test("positive emoji", _POSITIVE, 1), _test("negative emoji", _NEGATIVE, -1)))


def _test(name: str, emoji: Sequence[str], direction: Polarity) -> BehaviourTest:
    cases = ((text, f"{text} {emoji[digest(text) % len(emoji)]}") for text in reviews(_SENTENCES))
    return BehaviourTest(name, "DIR", tuple(cases), frozenset({direction}))
