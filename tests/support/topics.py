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
OPEN_TRANSACTION_S: Final = 120.0
"""Longer than the broker takes to abort what a killed member left open: 60 s and up to 10 s more."""


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
    left = producer.flush(TIMEOUT_S)
    assert left == 0, f"{left} records of {topic} were not acknowledged by {servers} within {TIMEOUT_S:.0f} s"
    assert not failures


def read_all(
    servers: str,
    topic: str,
    *,
    isolation: str = "read_committed",
    login: Mapping[str, str] | None = None,
    past_open: bool = True,
) -> list[Message]:
    """Reads a topic from its beginning to its current end, in order per partition.

    With read_committed it waits for the end of transactions that are open: for such a reader the partition ends
    before them, and what others have committed behind is missing. `past_open=False` ends there, as it is now.
    """
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
    waiting = _ends(servers, topic, partitions, login) if past_open else dict.fromkeys(partitions, 0)
    deadline = time.monotonic() + OPEN_TRANSACTION_S
    messages: list[Message] = []
    try:
        while waiting:
            assert time.monotonic() < deadline, f"{topic} is not read to its end: {waiting}"
            for message in consumer.consume(10_000, 0.2):
                if message.error() is None:
                    messages.append(message)
                else:
                    partition, offset = message.partition(), message.offset()
                    assert partition is not None
                    assert offset is not None
                    if offset >= waiting.get(partition, 0):
                        waiting.pop(partition, None)
    finally:
        consumer.close()
    return messages


def _ends(servers: str, topic: str, partitions: Iterable[int], login: Mapping[str, str] | None) -> dict[int, int]:
    """The offset behind the last record of each partition, committed or not."""
    settings = {"bootstrap.servers": servers, "group.id": "ends", "isolation.level": "read_uncommitted"}
    with Consumer({**settings, **(login or {})}) as consumer:
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)[1]
            for partition in partitions
        }


def group_commits(
    servers: str, group: str, places: Iterable[tuple[str, int]], within_s: float = TIMEOUT_S
) -> list[TopicPartition]:
    """The commits of a group; waits for the coordinator of a new one, and for transactions that hold a commit."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    deadline = time.monotonic() + within_s
    try:
        while True:
            try:
                return consumer.committed([TopicPartition(*place) for place in places], timeout=5)
            except KafkaException:
                assert time.monotonic() < deadline
    finally:
        consumer.close()


def await_committed(servers: str, topic: str, group: str) -> None:
    """Waits until a group has committed all that a topic has now."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "ends"})
    partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
    consumer.close()
    ends = _ends(servers, topic, partitions, None)
    places = [(topic, partition) for partition, end in ends.items() if end]
    deadline = time.monotonic() + OPEN_TRANSACTION_S
    while True:
        commits = group_commits(servers, group, places, OPEN_TRANSACTION_S)
        left = {one.partition: one.offset for one in commits if one.offset < ends[one.partition]}
        if not left:
            return
        assert time.monotonic() < deadline, f"{topic} is not committed to {ends}: {left}"
        time.sleep(0.2)


def hold_commits(servers: str, group: str, commits: Mapping[tuple[str, int], int], for_s: float) -> Producer:
    """Commits for a group without members in a transaction that is left open, until the broker aborts it.

    So does a process that is killed while it commits. The result must be kept: with it the client goes.
    """
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": f"open-{uuid4()}",
            "transaction.timeout.ms": int(for_s * 1000),
            "message.timeout.ms": int(for_s * 1000),
        }
    )
    with Consumer({"bootstrap.servers": servers, "group.id": group}) as outside:
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        offsets = [TopicPartition(*place, offset) for place, offset in commits.items()]
        producer.send_offsets_to_transaction(offsets, outside.consumer_group_metadata(), TIMEOUT_S)
    return producer
