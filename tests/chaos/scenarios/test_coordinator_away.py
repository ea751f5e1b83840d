"""A publish whose group coordinator does not answer: it fails in time, and succeeds once that is back."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka import Consumer, Producer

from consumer.kafka.outbox import ExactlyOnceOutbox
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings, Limits
from consumer.stream.records import Outgoing, PublishFailed
from shared.kafka.settings import KafkaSettings
from tests.support.topics import read_all

if TYPE_CHECKING:
    from consumer.stream.records import Record
    from tests.chaos.brokers.cluster import Cluster

COMMIT_TIMEOUT_S: Final = 6.0
SLACK_S: Final = 5.0
TIMEOUT_S: Final = 30.0


def settings_of(cluster: Cluster) -> tuple[ConsumerSettings, int]:
    """A consumer whose transactions and topics are on one node and whose group is on another; returns that node.

    It tries names until this holds.
    """
    make_internal_topics(cluster)
    for number in count():
        group = f"away-{number}"
        settings = ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=cluster.bootstrap), group_id=group, instance_id="0"
        )
        home = cluster.coordinator_of_transaction(settings.transactional_id)
        if (away := cluster.coordinator_of_group(group)) != home:
            break
    topics = {name: cluster.new_topic(on_node=home) for name in ("output_topic", "dlq_topic")}
    changes = {
        "input_topics": (cluster.new_topic(on_node=home),),
        "limits": Limits(commit_timeout_s=COMMIT_TIMEOUT_S),
    }
    return settings.model_copy(update={**topics, **changes}), away


def make_internal_topics(cluster: Cluster) -> None:
    """Makes Kafka create the topics of transactions and of groups, which it does on the first request."""
    Producer({"bootstrap.servers": cluster.direct, "transactional.id": "any"}).init_transactions(TIMEOUT_S)
    consumer = Consumer({"bootstrap.servers": cluster.direct, "group.id": "any"})
    consumer.subscribe([cluster.new_topic()])
    while not consumer.assignment():
        consumer.poll(0.1)
    consumer.close()


def first_record(source: KafkaSource) -> Record:
    """Reads until there is one record."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        source.begin(alone=True)
        if records := source.read(1, 0.1):
            return records[0]
    pytest.fail("nothing was read")


def results_of(record: Record) -> list[Outgoing]:
    """The batch to publish for it."""
    return [Outgoing(record, b"scored", (), 0)]


def test_offsets_that_nobody_takes_fail_the_publish_in_time(cluster: Cluster) -> None:
    """Given a coordinator out of reach, then the publish fails by `commit_timeout_s`, and succeeds later."""
    settings, away = settings_of(cluster)
    producer = Producer({"bootstrap.servers": cluster.direct})
    for value in (b"first", b"second"):
        producer.produce(settings.input_topics[0], value)
    assert producer.flush(TIMEOUT_S) == 0
    source = KafkaSource(settings)
    source.subscribe()
    sender = Sender(settings, {settings.output_topic: 1, settings.dlq_topic: 1}, transactional=True)
    outbox = ExactlyOnceOutbox(sender, source.group_metadata)
    first = first_record(source)
    outbox.publish(results_of(first), [], source.commits_after([first]))
    second = first_record(source)

    cluster.proxy.stall(away)
    try:
        began = time.monotonic()
        with pytest.raises(PublishFailed, match="coordinator took no offsets"):
            outbox.publish(results_of(second), [], source.commits_after([second]))
        took_s = time.monotonic() - began
    finally:
        cluster.proxy.clear(away)
    outbox.reset()
    source.rewind()
    again = first_record(source)
    outbox.publish(results_of(again), [], source.commits_after([again]))
    outbox.close()
    source.close(None)

    assert took_s < COMMIT_TIMEOUT_S + SLACK_S
    assert (first.offset, second.offset, again.offset) == (0, 1, 1)
    assert len(read_all(cluster.direct, settings.output_topic)) == 2
