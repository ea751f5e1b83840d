"""A Kafka that answers, and what every broker that is started here has in common."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sentiment_testing.errors import BrokerError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADDRESS_VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"
NAMED_S: Final = 10.0
"""For the first answer of a broker that somebody named."""

SETTINGS: Final = {
    "auto.create.topics.enable": "false",
    # One node holds every replica.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The defaults, 50 partitions each, make the first use of a group or a transaction slow.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "8",
    # A killed member is noticed within seconds. The classic protocol takes the client's
    # session.timeout.ms, down to this minimum; in the consumer protocol the broker decides.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1500",
}
"""Broker settings of every Kafka that is started here, in a container or as a Java process."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A reachable Kafka, and one line that describes it for a person."""

    bootstrap_servers: str
    description: str
    is_mock: bool = False
    """Whether it is librdkafka's mock cluster: no admin requests and no working transactions."""


@contextmanager
def named_kafka() -> Iterator[Broker]:
    """Yields the cluster that KAFKA_BOOTSTRAP_SERVERS names; raises BrokerError if it does not answer."""
    address = os.environ.get(ADDRESS_VARIABLE)
    if not address:
        raise UnavailableError(f"{ADDRESS_VARIABLE} is not set")
    if not answers(address, timeout_s=NAMED_S):
        raise BrokerError(
            f"{ADDRESS_VARIABLE}={address}, but no broker answers there; start it, or unset the variable"
        )
    yield Broker(address, f"{address}, named by {ADDRESS_VARIABLE}")


def answers(bootstrap_servers: str, timeout_s: float, login: Mapping[str, str] | None = None) -> bool:
    """Whether a broker answers a metadata request in time; waits for its start in the meantime."""
    quiet: dict[str, Any] = {"reconnect.backoff.max.ms": 500, "log_level": 0}
    client = AdminClient({"bootstrap.servers": bootstrap_servers, **quiet, **(login or {})})
    try:
        return bool(client.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False
