"""What Prometheus counts of several processes is what an independent reader counts in the topics."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import pytest

from tests.integration.conftest import Topics
from tests.integration.scraping import Scraper
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from confluent_kafka import Message

    from tests.integration.conftest import Consumers
    from tests.support.kafka import Broker, MakeTopic
    from tests.support.processes import Consumer

CHUNK: Final = 100
PAUSE_S: Final = 0.1
TEXTS: Final = 4_000
"""Distinct texts; later ones are known."""
PARTITIONS: Final = 4
BAD_EVERY: Final = 50
DELETION_EVERY: Final = 75
ENVIRONMENT: Final = {
    "SENTIMENT_LIMITS__BATCH_RECORDS": "64",
    "SENTIMENT_ON_NULL": "forward",
    "SENTIMENT_KAFKA__PROPERTIES": json.dumps({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}),
}
STAGE_HEADER: Final = "__connect.errors.stage"
REASON_HEADER: Final = "__connect.errors.exception.class.name"
OPEN_PUBLISH_S: Final = 1.0
"""A result is encoded at most this long before the commit after which it is counted."""

pytestmark = pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])


@pytest.fixture
def topics(kafka: Broker, topic: MakeTopic) -> Topics:
    """Topics of four partitions and a group of their own."""
    names = [topic(name, partitions=PARTITIONS) for name in ("texts", "sentiments", "letters")]
    return Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")


class Load:
    """Writes good records, bad ones and deletions without a pause, some texts twice, while it is entered."""

    def __init__(self, topics: Topics) -> None:
        self.sent = 0
        self._topics = topics
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Self:
        """Begins to write."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends; all is acknowledged."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(PAUSE_S):
            numbers = range(self.sent, self.sent + CHUNK)
            produce(self._topics.servers, self._topics.texts, map(_sent, numbers))
            self.sent += CHUNK


def _sent(number: int) -> Sent:
    value: bytes | None = json.dumps({"id": str(number), "text": f"message {number % TEXTS}"}).encode()
    if number % BAD_EVERY == 0:
        value = b"\xff"
    elif number % DELETION_EVERY == 0:
        value = None
    return Sent(value, key=b"key", partition=number % PARTITIONS)


def test_sums_after_rebalances_and_orderly_stops_are_exact(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given members that join and leave under load, when all have stopped in order, then every sum is exact.

    Outcomes, labels, and dead letters by stage and reason.
    """
    with Scraper() as scraper:
        with Load(topics) as load:
            first = _start(consumers, scraper, topics, model, delivery)
            first.await_log('"event": "batch"', count=5)
            second = _start(consumers, scraper, topics, model, delivery)
            second.await_log('"event": "batch"', count=5)
            assert second.terminate()[0] == 0
        third = _start(consumers, scraper, topics, model, delivery, "--until-idle-s", "4")
        assert third.wait() == 0
        assert first.terminate()[0] == 0

    results, letters = _read(topics)
    nulls = sum(one.value() is None for one in results)
    outcomes = {"result": len(results) - nulls, "dead_letter": len(letters), "deletion_forwarded": nulls}
    assert scraper.sums("sentiment_messages_total", "outcome") == outcomes
    assert sum(outcomes.values()) == load.sent + scraper.total("sentiment_repeated_messages_total")
    assert scraper.sums("sentiment_labels_total", "label") == Counter(one["label"] for one in _values(results))
    headers = [dict(one.headers() or ()) for one in letters]
    for label, header in (("stage", STAGE_HEADER), ("reason", REASON_HEADER)):
        expected = Counter(str(one[header], "ascii") for one in headers)  # type: ignore[arg-type]
        assert scraper.sums("sentiment_dead_letters_total", label) == expected
    assert len(scraper.last) == 3
    assert scraper.sums("sentiment_rebalances_total", "kind")["assigned"] >= 3
    if delivery == "exactly-once":
        states = scraper.sums("sentiment_transactions_total", "state")
        assert states["begun"] == states["committed"] + states["aborted"]


def test_sums_after_a_kill_are_short_by_what_nobody_scraped(
    *, delivery: str, topics: Topics, model: Path, consumers: Consumers
) -> None:
    """Given a member that is killed under load, when others do the rest, then no sum is above the topics'.

    They are short by no more than what was written after the last scrape of the killed one began.
    """
    with Scraper() as scraper:
        with Load(topics) as load:
            first = _start(consumers, scraper, topics, model, delivery)
            second = _start(consumers, scraper, topics, model, delivery)
            killed = scraper.ports[-1]
            second.await_log('"event": "batch"', count=20)
            second.kill()
            killed_at = time.time()
        third = _start(consumers, scraper, topics, model, delivery, "--until-idle-s", "9")
        assert third.wait() == 0
        assert first.terminate()[0] == 0

    results, letters = _read(topics)
    counted = scraper.sums("sentiment_messages_total", "outcome")
    values = _values(results)
    since = scraper.began[killed] - OPEN_PUBLISH_S
    late = [one for one in values if since <= _scored_at(one) <= killed_at]
    assert 0 <= len(values) - counted["result"] <= len(late)
    assert scraper.last[killed]["sentiment_messages_total", (("outcome", "result"),)] > 0
    nulls = len(results) - len(values)
    assert counted["dead_letter"] <= len(letters)
    assert counted["deletion_forwarded"] <= nulls
    if delivery == "exactly-once":
        assert len(results) + len(letters) == load.sent


def _start(
    consumers: Consumers, scraper: Scraper, topics: Topics, model: Path, delivery: str, *more: str
) -> Consumer:
    port = scraper.add()
    flags = topics.flags("--model", str(model), "--delivery", delivery, "--instance-id", f"member-{port}", *more)
    return consumers.start([*flags, "--metrics-port", str(port)], ENVIRONMENT)


def _read(topics: Topics) -> tuple[list[Message], list[Message]]:
    return read_all(topics.servers, topics.sentiments), read_all(topics.servers, topics.letters)


def _values(results: Sequence[Message]) -> list[Any]:
    return [json.loads(value) for one in results if (value := one.value()) is not None]


def _scored_at(value: Any) -> float:
    return datetime.fromisoformat(value["scored_at"]).timestamp()
