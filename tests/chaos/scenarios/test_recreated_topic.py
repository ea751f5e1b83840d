"""A topic that is deleted and created again after its leader had changed: the client fetches nothing from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings
from shared.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from tests.chaos.brokers.cluster import Cluster

TIMEOUT_S: Final = 60.0
DELETED_S: Final = 4.0
"""Time limit within which the member has noticed that the topic is gone."""


def read(source: KafkaSource, count: int, within_s: float = TIMEOUT_S) -> int:
    """Reads and commits as the loop does until there are `count` records, or the time is up."""
    found, deadline = 0, time.monotonic() + within_s
    while found < count and time.monotonic() < deadline:
        source.begin(alone=True)
        records = source.read(100, 0.1)
        source.crash_loop.read(records)
        commits = source.commits_after(records)
        source.commit(commits)
        source.published(commits, records)
        found += len(records)
    return found


def create(cluster: Cluster, topic: str, records: int) -> None:
    """Creates a topic and sends records to it."""
    with AdminClient({"bootstrap.servers": cluster.direct, "log_level": 0}) as admin:
        admin.create_topics([NewTopic(topic, 1, 3)])[topic].result()
    cluster.leader_of(topic, 0)
    producer = Producer({"bootstrap.servers": cluster.direct})
    for _ in range(records):
        producer.produce(topic, b"text")
    assert producer.flush(TIMEOUT_S) == 0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_topic_that_was_created_again_is_read(
    protocol: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a running member and a topic whose leader had changed, when created again, then it is read whole."""
    monkeypatch.setattr("consumer.kafka.topics.changes.SILENT_S", 3.0)
    topic = f"recreated-{uuid4().hex[:8]}"
    create(cluster, topic, 5)
    leader = cluster.leader_of(topic, 0)
    cluster.kill(leader)
    cluster.leader_of(topic, 0)
    cluster.start(leader)
    source = KafkaSource(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=cluster.bootstrap),
            group_id=topic,
            group_protocol=protocol,
            input_topics=(f"^{topic}$",),
        )
    )
    source.subscribe()
    assert read(source, 5) == 5

    with AdminClient({"bootstrap.servers": cluster.direct, "log_level": 0}) as admin:
        admin.delete_topics([topic])[topic].result()
    assert read(source, 1, DELETED_S) == 0
    create(cluster, topic, 3)

    assert read(source, 3) == 3
    source.close(None)
