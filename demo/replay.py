"""Sends held-out tweets: a first part at a steady rate, to see latency; the rest at once, to see throughput."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from shared.messages import InputMessage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from demo.broker import EmbeddedBroker


@dataclass(frozen=True, slots=True)
class Tweet:
    """One labelled tweet that the model has not seen."""

    id: str
    text: str
    label: str


def held_out_tweets(file: Path) -> list[Tweet]:
    """Reads the held-out part of the data set."""
    rows = pq.read_table(file, columns=["id", "text", "label_name"]).to_pylist()
    return [Tweet(row["id"], row["text"], row["label_name"]) for row in rows]


def in_changing_mood(tweets: Sequence[Tweet]) -> list[Tweet]:
    """Puts most of the negative tweets into the second half, so that whoever looks at the page sees a change."""
    negative = [tweet for tweet in tweets if tweet.label == "negative"]
    others = [tweet for tweet in tweets if tweet.label != "negative"]
    few, some = len(negative) // 6, 2 * len(others) // 3
    return [*_spread(negative[:few], others[:some]), *_spread(negative[few:], others[some:])]


def _spread(some: Sequence[Tweet], others: Sequence[Tweet]) -> list[Tweet]:
    """Both in one list, evenly and each in its order."""
    every = [(place / max(1, len(part)), tweet) for part in (some, others) for place, tweet in enumerate(part)]
    return [tweet for _, tweet in sorted(every, key=lambda one: one[0])]


class Replay(threading.Thread):
    """Produces tweets to `texts` from a thread of its own; ends by itself unless `forever`."""

    def __init__(
        self, broker: EmbeddedBroker, tweets: Sequence[Tweet], *, rate: float, paced: int, forever: bool
    ) -> None:
        super().__init__(name="replay", daemon=True)
        self._producer = broker.producer
        self._tweets = tweets
        self._rate = rate
        self.paced = len(tweets) if forever else min(paced, len(tweets))
        self.forever = forever
        self.labels = {tweet.id: tweet.label for tweet in tweets}
        self.texts = {tweet.id: tweet.text for tweet in tweets}
        self.paced_ids = {tweet.id for tweet in tweets[: self.paced]}
        self.burst_at = 0.0
        """Monotonic time at which the unpaced part began."""
        self.stop = threading.Event()

    @property
    def expected(self) -> int:
        """The expected number of results."""
        return len(self._tweets)

    def run(self) -> None:
        """Sends; a message's key is the tweet's id."""
        while True:
            for number, tweet in enumerate(self._tweets):
                if number < self.paced and self.stop.wait(1 / self._rate):
                    return
                if number == self.paced:
                    self.burst_at = time.monotonic()
                self._send(tweet)
            self._producer.flush(10)
            if not self.forever:
                return

    def _send(self, tweet: Tweet) -> None:
        message = InputMessage(id=tweet.id, text=tweet.text, source="vader-tweets", created_at=datetime.now(UTC))
        self._producer.produce("texts", key=tweet.id, value=message.model_dump_json(), timestamp=_now_ms())
        self._producer.poll(0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
