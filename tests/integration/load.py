"""A load of good records, bad ones and deletions, and what an independent reader finds of it in the topics."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tests.integration.background import Background
from tests.integration.conftest import PARTITIONS
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from tests.integration.conftest import Topics

CHUNK: Final = 100
PAUSE_S: Final = 0.1
TEXTS: Final = 4_000
"""Distinct texts."""
STEP: Final = 1_237
"""Has no divisor in common with TEXTS."""
BAD_EVERY: Final = 50
DELETION_EVERY: Final = 75
ENVIRONMENT: Final = {
    "SENTIMENT_LIMITS__BATCH_RECORDS": "64",
    "SENTIMENT_ON_NULL": "forward",
    "SENTIMENT_KAFKA__PROPERTIES": json.dumps({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}),
}
"""Of consumers that take part in it."""
OPEN_PUBLISH_S: Final = 1.0
"""A result is encoded at most this long before the commit after which it is counted."""


class Load(Background):
    """Writes good records, bad ones and deletions, some texts twice; all is acknowledged when it is left."""

    def __init__(self, topics: Topics) -> None:
        super().__init__(PAUSE_S)
        self.sent = 0
        self._topics = topics

    def step(self) -> None:
        """Writes a chunk."""
        numbers = range(self.sent, self.sent + CHUNK)
        produce(self._topics.servers, self._topics.texts, map(_sent, numbers))
        self.sent += CHUNK


def text(number: int) -> str:
    """The text of a good record; after TEXTS they repeat. Some in a row are like all: drift is watched for."""
    return f"message {STEP * number % TEXTS}"


def _sent(number: int) -> Sent:
    value: bytes | None = json.dumps({"id": str(number), "text": text(number)}).encode()
    if number % BAD_EVERY == 0:
        value = b"\xff"
    elif number % DELETION_EVERY == 0:
        value = None
    return Sent(value, key=b"key", partition=number % PARTITIONS)


class Written:
    """What the topics hold."""

    def __init__(self, topics: Topics) -> None:
        records = read_all(topics.servers, topics.sentiments)
        self.results: list[Any] = [json.loads(value) for one in records if (value := one.value()) is not None]
        self.letters = read_all(topics.servers, topics.letters)
        self.outcomes = Counter(
            result=len(self.results),
            dead_letter=len(self.letters),
            deletion_forwarded=len(records) - len(self.results),
        )
        """By the names that the metrics have for them."""

    def between(self, scraped_at: float, ended_at: float) -> int:
        """Results that a process may have committed after its last scrape, at times in seconds since 1970."""
        times = (datetime.fromisoformat(one["scored_at"]).timestamp() for one in self.results)
        return sum(scraped_at - OPEN_PUBLISH_S <= at <= ended_at for at in times)
