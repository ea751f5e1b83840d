"""The known weakness of the first transaction protocol, and the defence that the outbox relies on.

Plain confluent-kafka without the project's own code: these tests fail once librdkafka or Kafka can recognise a
late request, and then the defence can be removed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from tests.support.topics import read_all

if TYPE_CHECKING:
    from tests.chaos.brokers.cluster import Cluster
    from tests.chaos.brokers.holds import Held

TIMEOUT_S: Final = 30.0
RETRY_BACKOFF_MS: Final = 300
SHORTEST_RETRY_MS: Final = 240
"""librdkafka varies the backoff by a fifth either way; 251 to 385 ms were measured over 60 such commits."""


class Writer:
    """A transactional producer through the proxy, on a topic of two partitions."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.topic = cluster.new_topic(partitions=2)
        self.renew()

    def renew(self) -> None:
        """Replaces the producer by a new one with the same transactional id."""
        self.producer = Producer(
            {
                "bootstrap.servers": self._cluster.bootstrap,
                "transactional.id": self.topic,
                "retry.backoff.ms": RETRY_BACKOFF_MS,
                "log_level": 0,
            }
        )
        self.producer.init_transactions(TIMEOUT_S)

    def write(self, value: str, partition: int = 0) -> None:
        """Writes into the open transaction and waits for the acknowledgement."""
        self.producer.produce(self.topic, value=value, partition=partition)
        assert self.producer.flush(TIMEOUT_S) == 0

    def commit_twice(self, max_s: float = TIMEOUT_S) -> float:
        """Commits a transaction whose first EndTxn is held back; returns how long that took, in milliseconds."""
        self._cluster.proxy.hold_end_txn(max_s=max_s, transactional_id=self.topic)
        self.producer.begin_transaction()
        self.write("first")
        began = time.monotonic()
        self.producer.commit_transaction(TIMEOUT_S)
        return (time.monotonic() - began) * 1000

    def straggler(self) -> Held:
        """The outcome of the held EndTxn, once the broker has answered it."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            held = self._cluster.proxy.held()[-1]
            if held["answer"] is not None:
                return held
            time.sleep(0.02)
        pytest.fail(f"the held request was never answered: {held}")

    def committed(self) -> list[bytes | None]:
        """What a read_committed reader sees now."""
        return [message.value() for message in read_all(self._cluster.direct, self.topic, past_open=False)]


@pytest.fixture
def writer(cluster: Cluster) -> Writer:
    """A producer that is ready for its first transaction."""
    return Writer(cluster)


def test_a_commit_sent_twice_is_slow(writer: Writer) -> None:
    """Given an EndTxn that was lost and retried, then its commit took at least 0.8 of the retry backoff."""
    took_ms = writer.commit_twice(max_s=1.0)

    held = writer.straggler()
    assert took_ms >= SHORTEST_RETRY_MS
    # A transaction that is already complete can be committed once more, since nothing was written in between.
    assert (held["reason"], held["committed"], held["answer"]) == ("max_s", True, 0)


def test_a_straggler_commits_what_the_client_then_aborts(writer: Writer) -> None:
    """Given a producer kept after a slow commit, when the late EndTxn arrives, its open transaction is visible."""
    writer.commit_twice()
    writer.producer.begin_transaction()
    writer.write("next")

    held = writer.straggler()

    assert (held["reason"], held["answer"]) == ("next transaction", 0)
    assert writer.committed() == [b"first", b"next"]
    with pytest.raises(KafkaException) as refused:
        writer.producer.abort_transaction(TIMEOUT_S)
    assert refused.value.args[0].code() == KafkaError.INVALID_TXN_STATE
    assert refused.value.args[0].fatal()


def test_a_straggler_tears_a_transaction_without_any_error(writer: Writer) -> None:
    """Given a producer kept after a slow commit, when it writes on and aborts, then half of it stays visible.

    The second half went to another partition; the broker takes it for the beginning of a third transaction.
    """
    writer.commit_twice()
    writer.producer.begin_transaction()
    writer.write("half")
    writer.straggler()

    writer.write("other half", partition=1)
    writer.producer.abort_transaction(TIMEOUT_S)

    assert writer.committed() == [b"first", b"half"]


def test_a_new_producer_shuts_the_straggler_out(writer: Writer) -> None:
    """Given a producer renewed after a slow commit, when the late EndTxn arrives, then the broker refuses it."""
    writer.commit_twice()
    writer.renew()
    writer.producer.begin_transaction()
    writer.write("next")

    held = writer.straggler()

    assert (held["reason"], held["answer"]) == ("next transaction", KafkaError.INVALID_PRODUCER_EPOCH)
    assert writer.committed() == [b"first"]
    writer.producer.commit_transaction(TIMEOUT_S)
    assert writer.committed() == [b"first", b"next"]
