"""The lag of a group, asked from outside of it, as the dashboard does."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sentiment_testing.kafka import UnavailableError, local_node
from shared.kafka.live.group_lag import GroupLag
from shared.kafka.reader import Partition, TopicReader
from shared.kafka.settings import KafkaSettings
from tests.conftest import skip_or_fail
from tests.support.topics import Sent, produce

if TYPE_CHECKING:
    from sentiment_testing.kafka import Broker, MakeTopic

pytestmark = pytest.mark.kafka
GONE = "a-topic-that-does-not-exist"


def test_the_lag_is_what_the_group_has_not_committed(kafka: Broker, topic: MakeTopic) -> None:
    """Given commits of some partitions, then each has its distance to the end; a missing topic has none."""
    name, group = topic("lag", partitions=3), f"group-{uuid4()}"
    produce(kafka.bootstrap_servers, name, [Sent(b"x", partition=number % 3) for number in range(9)])
    member = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group})
    member.commit(offsets=[TopicPartition(name, 0, 1), TopicPartition(name, 1, 3)], asynchronous=False)
    member.close()
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
    with closing(GroupLag(settings, group, "lag")) as lag, TopicReader(settings, "ends") as reader:
        assert lag.lags(reader, [name, GONE]) == {Partition(name, 0): 2, Partition(name, 1): 0}
        assert lag.lags(reader, []) == {}
    with closing(GroupLag(settings, f"other-{uuid4()}", "lag")) as lag, TopicReader(settings, "ends") as reader:
        assert lag.lags(reader, [name]) == {}


def test_a_broker_that_has_just_started_ends_nothing() -> None:
    """Given no coordinator of any group yet, when asked for groups at once, then each has no lag.

    The request of an admin client ended the process here.
    """
    try:
        with local_node(0) as node:
            settings = KafkaSettings(bootstrap_servers=node.broker.bootstrap_servers)
            admin = AdminClient({"bootstrap.servers": node.broker.bootstrap_servers})
            admin.create_topics([NewTopic("texts", 1, 1)])["texts"].result()
            with TopicReader(settings, "ends") as reader:
                for number in range(10):
                    with closing(GroupLag(settings, f"group-{number}", "lag")) as lag:
                        assert lag.lags(reader, ["texts"]) == {}
    except UnavailableError as why:
        skip_or_fail(str(why))
