"""The newest texts of a real topic, for `sentiment-consumer plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from consumer.plan.sample import of_topics
from consumer.settings import ConsumerSettings
from shared.errors import InputDataError, KafkaStateError
from shared.kafka.settings import KafkaSettings
from tests.support.topics import Sent, produce

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from sentiment_testing.kafka import Broker, MakeTopic

PARTITIONS = 3


def settings(kafka: Broker, *topics: str) -> ConsumerSettings:
    """Settings that read these topics."""
    servers = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True)
    return ConsumerSettings(kafka=servers, input_topics=topics)


def sent(name: str, number: int) -> Sent:
    """One record; every tenth lacks a text."""
    value = {} if number % 10 == 0 else {"text": f"{name} {number}"}
    return Sent(json.dumps(value).encode(), partition=number % PARTITIONS)


def test_the_newest_texts_are_read_without_a_group(
    kafka: Broker, kafka_admin: AdminClient, topic: MakeTopic
) -> None:
    """Given two topics under a pattern, when the last 60 records are requested, then 10 come from each partition.

    Records without text are skipped and counted, the reader does not wait for an open transaction, and no group
    is left behind.
    """
    prefix = f"plan{uuid4().hex[:8]}"
    names = [topic(f"{prefix}-{name}", partitions=PARTITIONS) for name in ("a", "b")]
    for name in names:
        produce(kafka.bootstrap_servers, name, [sent(name, number) for number in range(1, 100)])
    writer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": prefix})
    writer.init_transactions()
    writer.begin_transaction()
    writer.produce(names[0], b'{"text": "undecided"}', partition=0)
    writer.flush()

    found = of_topics(settings(kafka, f"^{prefix}-.*"), 60)

    writer.abort_transaction()
    newest = [(name, number) for name in names for number in range(70, 100) if number % 10]
    assert sorted(found.texts) == sorted(f"{name} {number}" for name, number in newest)
    assert "(6 records that cannot be read left out)" in found.source
    groups = kafka_admin.list_consumer_groups().result().valid
    assert not [group.group_id for group in groups if group.group_id.startswith("sentiment-plan")]


def test_a_topic_without_texts_is_named(kafka: Broker, topic: MakeTopic) -> None:
    """Given an empty topic, one without texts, and none, when read, then the error says which and what to do."""
    empty, bad = topic("empty"), topic("bad")
    produce(kafka.bootstrap_servers, bad, [Sent(None), Sent(b"no json")])

    with pytest.raises(
        InputDataError, match=rf"no text among the last 10 records of {empty} \(0 .* give --sample"
    ):
        of_topics(settings(kafka, empty), 10)
    with pytest.raises(InputDataError, match=rf"records of {bad} \(2 that cannot be read\)"):
        of_topics(settings(kafka, bad), 10)
    with pytest.raises(KafkaStateError, match="no such topic: nowhere"):
        of_topics(settings(kafka, "nowhere"), 10)
    with pytest.raises(InputDataError, match=r"records of \^nowhere"):
        of_topics(settings(kafka, "^nowhere$"), 10)
