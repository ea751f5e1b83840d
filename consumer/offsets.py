"""What a group has committed: asked until it is known and stable, and written with the count of `suspects`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.records import PublishFailed
from consumer.suspects import Commit, as_metadata, carried, from_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.records import Record
    from consumer.suspects import Place

log = structlog.get_logger()

REQUEST_S: Final = 5.0
"""Timeout of one question to the broker."""
STABLE_S: Final = 60.0
"""How long is waited for offsets that an unfinished transaction holds back."""


class GroupOffsets:
    """The offsets of the consumer's group. `end_if_denied` raises where an error is a missing right."""

    def __init__(self, consumer: Consumer, end_if_denied: Callable[[KafkaError, str | None], None]) -> None:
        self._consumer = consumer
        self._end_if_denied = end_if_denied

    def committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Asks until all are known and stable; raises PublishFailed when that takes over STABLE_S."""
        deadline = time.monotonic() + STABLE_S
        while partitions:
            try:
                answer = self._consumer.committed(partitions, timeout=REQUEST_S)
                failed = next((item.error for item in answer if item.error is not None), None)
            except KafkaException as error:
                failed = error.args[0]
            if failed is None:
                return answer
            self._end_if_denied(failed, None)
            if time.monotonic() > deadline:
                raise PublishFailed(f"committed offsets stay unknown: {failed.name()}")
        return []

    def commit(self, consumed: Sequence[Record]) -> None:
        """Commits the offsets after `consumed` and waits for the broker; raises PublishFailed."""
        try:
            done = self._consumer.commit(offsets=next_offsets(consumed), asynchronous=False)
        except KafkaException as error:
            self._end_if_denied(error.args[0], None)
            raise PublishFailed(f"the commit failed: {error.args[0].name()}") from None
        for partition in done or ():
            if partition.error is not None:
                self._end_if_denied(partition.error, partition.topic)
                raise PublishFailed(f"the commit failed: {partition.error.name()}")

    def counts(self, places: list[Place]) -> list[Commit]:
        """What is committed at these places, with the counts beside it."""
        found = self.committed([TopicPartition(*place) for place in places])
        return [Commit((p.topic, p.partition), p.offset, from_metadata(p.metadata)) for p in found]

    def mark(self, commits: list[Commit]) -> None:
        """Commits where the group stands already, for the count beside it; a failure costs only the count."""
        offsets = [TopicPartition(*one.place, one.offset, as_metadata(one.attempts)) for one in commits]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("attempts_not_counted", error=error.args[0].name())


def next_offsets(consumed: Sequence[Record]) -> list[TopicPartition]:
    """Per partition the offset after the last consumed record: what is to be committed, never `position()`."""
    last: dict[Place, Record] = {}
    for record in consumed:
        place = (record.topic, record.partition)
        if record.offset > last.setdefault(place, record).offset:
            last[place] = record
    return [TopicPartition(*place, one.offset + 1, as_metadata(carried(one))) for place, one in last.items()]
