"""An unreachable leader of a partition that has to be probed delays the other partitions only by seconds."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, Producer

from consumer.kafka.commit_metadata import Commit, CommitMetadata, Place
from consumer.kafka.offsets import REQUEST_S, as_partitions
from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings
from shared.kafka.settings import KafkaSettings
from tests.chaos.scenarios.test_coordinator_away import make_internal_topics
from tests.support.topics import group_commits

if TYPE_CHECKING:
    from tests.chaos.brokers.cluster import Cluster

SLACK_S: Final = 10.0
"""Time limit for joining the group, on a busy machine."""
TIMEOUT_S: Final = 30.0


def read_one(source: KafkaSource, within_s: float) -> Place | None:
    """Reads as the loop does until there is a record; returns its place."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        source.begin(alone=True)
        records = source.read(1, 0.1)
        source.crash_loop.read(records)
        if records:
            return records[0].topic, records[0].partition
    return None


def test_a_leader_that_is_away_is_not_waited_for(cluster: Cluster) -> None:
    """Given two partitions where a life ended, one of them out of reach, then the other is read in time.

    The first is not counted in the meantime, and is read once its leader is back.
    """
    make_internal_topics(cluster)
    group = next(name for name in map("leader-away-{}".format, count()) if cluster.coordinator_of_group(name) != 0)
    home = cluster.coordinator_of_group(group)
    topics = [cluster.new_topic(on_node=node) for node in (home, 0)]
    near, far = [(topic, 0) for topic in topics]
    producer = Producer({"bootstrap.servers": cluster.direct})
    for topic in topics:
        producer.produce(topic, b"text")
    assert producer.flush(TIMEOUT_S) == 0
    earlier = Consumer({"bootstrap.servers": cluster.direct, "group.id": group})
    died = CommitMetadata(fetching=1)
    earlier.commit(offsets=as_partitions([Commit(near, 0, died), Commit(far, 0, died)]), asynchronous=False)
    earlier.close()
    source = KafkaSource(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=cluster.bootstrap), group_id=group, input_topics=tuple(topics)
        )
    )
    source.subscribe()

    cluster.proxy.stall(0)
    try:
        first = read_one(source, REQUEST_S + SLACK_S)
        counts = group_commits(cluster.direct, group, [far])
    finally:
        cluster.proxy.clear(0)
    second = read_one(source, TIMEOUT_S)
    source.close(None)

    assert (first, second) == (near, far)
    assert [CommitMetadata.decode(one.metadata).fetching for one in counts] == [1]
