"""Two hours of labelled tweets with a planted change of topic and mood, and records that hold no text."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTES: Final = 122
"""Of the stream: the hour that is shown, the one before with which the page compares it, and a margin."""
MODEL_CHANGES: Final = 40
"""Minutes before the end from which the second model scores."""
MOOD_CHANGES: Final = 18
"""Minutes before the end from which the topic and the mood are others."""
A_MINUTE: Final = 16
TOPIC: Final = "amazon"
TOPIC_SHARE: Final = 0.6
"""Of the texts after the change."""
USUAL: Final = {"negative": 20, "neutral": 40, "positive": 40}
CHANGED: Final = {"negative": 65, "neutral": 25, "positive": 10}
BAD: Final = (b'{"text": ', b'{"text": "  "}', b'{"body": "in a field of another name"}')
BAD_SHARE: Final = 0.012
SEED: Final = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of the input topic."""

    at_ms: int
    value: bytes
    is_bad: bool


def records(tweets: Path, end_ms: int) -> Iterator[Sent]:
    """The records in the order of their times; the same ones for the same file, apart from the time."""
    chance = random.Random(SEED)  # noqa: S311 - a choice of texts, no secret
    table = pq.read_table(tweets, columns=["text", "label_name"])
    rest: dict[str, list[str]] = {label: [] for label in USUAL}
    topic: dict[str, list[str]] = {label: [] for label in USUAL}
    for text, label in zip(table["text"].to_pylist(), table["label_name"].to_pylist(), strict=True):
        (topic if TOPIC in text.lower() else rest)[label].append(text)
    for texts in (*rest.values(), *topic.values()):
        chance.shuffle(texts)
    for minute in range(MINUTES, 0, -1):
        changed = minute <= MOOD_CHANGES
        weights = CHANGED if changed else USUAL
        for second in sorted(chance.uniform(0, 60) for _ in range(A_MINUTE)):
            at_ms = round(end_ms - 60_000 * minute + 1000 * second)
            if chance.random() < BAD_SHARE * (3 if changed else 1):
                yield Sent(at_ms, chance.choice(BAD), is_bad=True)
            label = chance.choices(list(weights), weights=list(weights.values()))[0]
            on_topic = changed and topic[label] and chance.random() < TOPIC_SHARE
            text = (topic if on_topic else rest)[label].pop()
            yield Sent(at_ms, json.dumps({"text": text}).encode(), is_bad=False)
