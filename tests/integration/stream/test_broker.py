"""The broker of the fixtures has the properties that the other integration tests need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from confluent_kafka import Message

    from sentiment_testing.kafka import Broker, MakeTopic

TIMEOUT_S = 30.0


def test_records_come_back_complete(kafka: Broker, topic: MakeTopic) -> None:
    """Given 1,000 records on two partitions, when they are read, then all values and headers are there."""
    name = topic("texts", partitions=2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(1000):
        headers: list[tuple[str, str | bytes | None]] = [("number", str(number)), ("raw", b"\x00\xff")]
        producer.produce(name, value=f"text {number}", partition=number % 2, headers=headers)
    assert producer.flush(TIMEOUT_S) == 0

    records = read(kafka, name, partitions=2, count=1000)

    assert {record.value() for record in records} == {f"text {n}".encode() for n in range(1000)}
    for record in records:
        value = record.value()
        assert value is not None
        assert record.headers() == [("number", value.split()[1]), ("raw", b"\x00\xff")]


def test_aborted_records_are_not_read(kafka: Broker, topic: MakeTopic) -> None:
    """Given an aborted and then a committed transaction, when read_committed, then only the second one is there.

    A reader with read_uncommitted sees both, so the aborted record did reach the broker.
    """
    name = topic("results")
    producer = transactional(kafka, name)
    producer.begin_transaction()
    producer.produce(name, value="aborted")
    assert producer.flush(TIMEOUT_S) == 0
    producer.abort_transaction(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(name, value="committed")
    producer.commit_transaction(TIMEOUT_S)

    committed = read(kafka, name, count=1, isolation="read_committed")
    everything = read(kafka, name, count=2, isolation="read_uncommitted")

    # The aborted record comes first in the log, so a reader that has the second did not get the first.
    assert [record.value() for record in committed] == [b"committed"]
    assert [record.value() for record in everything] == [b"aborted", b"committed"]


def test_a_reader_of_all_waits_for_an_open_transaction(kafka: Broker, topic: MakeTopic) -> None:
    """Given a record behind a transaction that a dead producer left open, when all is read, then it is there.

    The broker aborts the transaction, 1 s old at that time, within 10 s more.
    """
    name = topic("results")
    dead = transactional(kafka, name, timeout_ms=1_000)
    dead.begin_transaction()
    dead.produce(name, value="of the dead one")
    assert dead.flush(TIMEOUT_S) == 0
    produce(kafka.bootstrap_servers, name, [Sent(b"behind it")])

    assert [record.value() for record in read_all(kafka.bootstrap_servers, name)] == [b"behind it"]


def test_offsets_are_part_of_the_transaction(kafka: Broker, topic: MakeTopic) -> None:
    """Given a group that read 10 records, when a transaction carries its offsets, then they are committed."""
    source, target = topic("texts"), topic("results")
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(10):
        producer.produce(source, value=str(number))
    assert producer.flush(TIMEOUT_S) == 0
    outbox = transactional(kafka, target)

    with Consumer(reader_settings(kafka, group=f"group-of-{source}")) as consumer:
        consumer.subscribe([source])
        records = take(consumer, 10)
        offsets = consumer.position([TopicPartition(source, 0)])
        outbox.begin_transaction()
        outbox.produce(target, value=f"{len(records)} read")
        outbox.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
        outbox.commit_transaction(TIMEOUT_S)
        committed = consumer.committed([TopicPartition(source, 0)], timeout=TIMEOUT_S)

    assert [(found.partition, found.offset) for found in committed] == [(0, 10)]


def transactional(kafka: Broker, name: str, *, timeout_ms: int = 60_000) -> Producer:
    """Returns a producer that is ready for its first transaction."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "transactional.id": f"writer-of-{name}",
            "transaction.timeout.ms": timeout_ms,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    return producer


def reader_settings(
    kafka: Broker, *, group: str, isolation: str = "read_committed"
) -> dict[str, str | int | float | bool]:
    """Returns the settings of a consumer that begins at the first record."""
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": group,
        "isolation.level": isolation,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }


def read(
    kafka: Broker, name: str, *, count: int, partitions: int = 1, isolation: str = "read_committed"
) -> list[Message]:
    """Reads a topic from its beginning until `count` records are there."""
    with Consumer(reader_settings(kafka, group=f"reader-of-{name}", isolation=isolation)) as consumer:
        consumer.assign([TopicPartition(name, number, 0) for number in range(partitions)])
        return take(consumer, count)


def take(consumer: Consumer, count: int) -> list[Message]:
    """Consumes until `count` records are there, or fails."""
    records: list[Message] = []
    deadline = time.monotonic() + TIMEOUT_S
    while len(records) < count and time.monotonic() < deadline:
        for record in consumer.consume(num_messages=count - len(records), timeout=1.0):
            assert record.error() is None
            records.append(record)
    assert len(records) == count, f"{len(records)} of {count} records after {TIMEOUT_S:.0f} s"
    return records
