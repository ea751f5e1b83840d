"""A missing or deleted input topic is harmless under a pattern, but ends the process if it is named."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import pytest

from consumer.kafka.group_client import REFRESH_MS
from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings
from shared.errors import KafkaStateError
from shared.kafka.settings import KafkaSettings
from tests.support.topics import Sent, produce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka.admin import AdminClient

    from consumer.stream.records import Record
    from sentiment_testing.kafka import Broker, MakeTopic

FOUND_S = REFRESH_MS / 1000 + 15
"""Time until the client requests the topics and the group has rebalanced; with the client's default up to 300."""
Protocol = Literal["classic", "consumer"]


@contextmanager
def source(
    kafka: Broker, protocol: Protocol, *inputs: str, refresh_ms: int | None = None
) -> Iterator[KafkaSource]:
    """A member of a new group that has subscribed to these topics; it refreshes topics at the default interval."""
    more = {} if refresh_ms is None else {"topic.metadata.refresh.interval.ms": refresh_ms}
    found = KafkaSource(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True, properties={**more}),
            group_id=f"group-{uuid4().hex[:8]}",
            input_topics=inputs,
            group_protocol=protocol,
        )
    )
    found.subscribe()
    try:
        yield found
    finally:
        found.close(None)


def read_until(
    member: KafkaSource, enough: Callable[[list[Record]], bool], seconds: float = FOUND_S
) -> list[Record]:
    """Reads until there is enough, or fails."""
    records: list[Record] = []
    deadline = time.monotonic() + seconds
    while not enough(records):
        assert time.monotonic() < deadline, records
        member.begin(alone=True)
        records += member.read(10, 0.1)
    return records


@pytest.mark.parametrize(("protocol", "refresh_ms"), [("classic", None), ("consumer", 1_000)])
def test_topics_of_a_pattern_come_and_go(
    protocol: Protocol, refresh_ms: int | None, kafka: Broker, kafka_admin: AdminClient, topic: MakeTopic
) -> None:
    """Given a pattern without a match, when topics come and one goes, then each is read, and nothing ends.

    A new topic is found within seconds by default, and the other one is still read after a deletion.
    """
    servers, mark = kafka.bootstrap_servers, uuid4().hex[:8]
    with source(kafka, protocol, f"^day-.*-{mark}-.*", refresh_ms=refresh_ms) as member:
        for _ in range(10):
            assert member.read(10, 0.1) == []

        names = [topic(f"day-{n}-{mark}") for n in range(2)]
        for name in names:
            produce(servers, name, [Sent(b"first")])
        records = read_until(member, lambda found: len(found) == 2)
        assert {one.topic for one in records} == set(names)

        gone = next(one for one in records if one.topic == names[1])
        kafka_admin.delete_topics([names[1]])[names[1]].result()
        deadline = time.monotonic() + FOUND_S
        while gone.owner.held:
            assert time.monotonic() < deadline
            member.begin(alone=True)
            assert member.read(10, 0.1) == []
        for _ in range(5):  # the client reports its findings with the next reads
            assert member.read(10, 0.1) == []
        produce(servers, names[0], [Sent(b"second")])
        (again,) = read_until(member, lambda found: len(found) == 1)

    assert (again.topic, again.value) == (names[0], b"second")


def test_a_topic_that_was_given_by_name_ends_the_run(
    kafka: Broker, kafka_admin: AdminClient, topic: MakeTopic
) -> None:
    """Given two topics by name, when one is deleted, then the member ends and names it."""
    first, second = topic("first"), topic("second")
    for name in (first, second):
        produce(kafka.bootstrap_servers, name, [Sent(b"v")])
    with source(kafka, "classic", first, second, refresh_ms=1_000) as member:
        read_until(member, lambda found: len(found) == 2)
        kafka_admin.delete_topics([second])[second].result()

        with pytest.raises(KafkaStateError, match=second):
            read_until(member, lambda _: False)
