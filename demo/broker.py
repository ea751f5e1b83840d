"""A Kafka inside this process: librdkafka's mock cluster, reached by other processes over TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

TIMEOUT_S = 10.0
FETCH_WAIT_MS = 10
"""The mock answers a fetch that finds nothing only after this wait, also when a record arrives meanwhile
(a real broker answers at once), so the client's default of 500 ms would be most of the latency."""


class EmbeddedBroker:
    """One broker with the given topics, each with the mock's four partitions; it ends with the process."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def __enter__(self) -> Self:
        """Starts the cluster and creates the topics."""
        self.producer = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0, "linger.ms": 2}
        )
        (broker,) = self.producer.list_topics(timeout=TIMEOUT_S).brokers.values()
        self.address = f"{broker.host}:{broker.port}"
        for topic in self._topics:
            self.producer.list_topics(topic=topic, timeout=TIMEOUT_S)  # this request makes the mock create it
        return self

    def __exit__(self, *_: object) -> None:
        """Drops unsent messages; the cluster ends with the producer."""
        self.producer.purge()
        self.producer.flush(0)

    def subscriber(self, topic: str) -> Consumer:
        """A reader of a whole topic from its beginning."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "demo-dashboard",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])
        return consumer
