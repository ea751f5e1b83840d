"""An independent producer and reader: plain confluent-kafka without the project's own code."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to produce."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = 0
    partition: int = 0


def produce(servers: str, topic: str, records: Iterable[Sent], login: Mapping[str, str] | None = None) -> None:
    """Writes records in order and waits until all are acknowledged."""
    failures: list[str] = []
    fast = {"linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    producer = Producer({"bootstrap.servers": servers, **fast, **(login or {})})

    def delivered(error: object, _message: Message) -> None:
        if error is not None:
            failures.append(str(error))

    for record in records:
        producer.produce(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            timestamp=record.timestamp_ms,
            partition=record.partition,
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(TIMEOUT_S) == 0
    assert not failures


def read_all(
    servers: str, topic: str, *, isolation: str = "read_committed", login: Mapping[str, str] | None = None
) -> list[Message]:
    """Reads a topic from its beginning to its current end, in order per partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"reader-{uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            **(login or {}),
        }
    )
    partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    waiting = set(partitions)
    messages: list[Message] = []
    try:
        while waiting:
            for message in consumer.consume(10_000, 0.2):
                if message.error() is None:
                    messages.append(message)
                else:
                    partition = message.partition()
                    assert partition is not None
                    waiting.discard(partition)
    finally:
        consumer.close()
    return messages


def group_commits(servers: str, group: str, places: Iterable[tuple[str, int]]) -> list[TopicPartition]:
    """The commits of a group; waits for the coordinator of a new one."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while True:
            try:
                return consumer.committed([TopicPartition(*place) for place in places], timeout=5)
            except KafkaException:
                assert time.monotonic() < deadline
    finally:
        consumer.close()
