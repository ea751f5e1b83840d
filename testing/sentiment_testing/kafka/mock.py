"""librdkafka's mock cluster: a broker inside this process, reached by other processes over TCP."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from sentiment_testing.kafka.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S: Final = 10.0
PARTITIONS: Final = 4
"""Of every topic; the mock creates a topic when a client first asks for it."""
FETCH_WAIT_MS: Final = 10
"""The mock answers a fetch that finds nothing only after this wait, also when a record arrives meanwhile (a real
broker answers at once), so the client's default of 500 ms would be most of the latency."""
LIMITS: Final = (
    "it applies no transactions (readers see aborted records, offsets of a transaction are dropped), has no admin "
    "requests, no rights, no retention, and 4 partitions in every topic"
)


@contextmanager
def mock_kafka() -> Iterator[Broker]:
    """Starts a cluster of one broker; its topics end with the block."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (broker,) = owner.list_topics(timeout=TIMEOUT_S).brokers.values()
    address = f"{broker.host}:{broker.port}"
    try:
        yield Broker(address, f"librdkafka mock cluster, {address}: {LIMITS}", is_mock=True)
    finally:
        owner.purge()
        owner.flush(0)
