"""Links and mentions before or after a sentence: the answer must stay."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.behaviour.capabilities.words import reviews
from trainer.evaluation.behaviour.cases import BehaviourTest, Capability, digest

_SENTENCES: Final = 120


def capability() -> Capability:
    """A link at the end, a mention at the start, and both."""
    texts = reviews(_SENTENCES)
    return Capability(
        "links",
        (
            BehaviourTest("link at the end", "INV", tuple((text, f"{text} {_link(text)}") for text in texts)),
            BehaviourTest(
                "mention at the start", "INV", tuple((text, f"{_mention(text)} {text}") for text in texts)
            ),
            BehaviourTest(
                "both", "INV", tuple((text, f"{_mention(text)} {text} {_link(text)}") for text in texts)
            ),
        ),
    )


def _link(text: str) -> str:
    return f"https://t.co/{digest(text) % 36**6:08x}"


def _mention(text: str) -> str:
    return f"@user_{digest(text) % 9973}"
