"""What a group has committed.

Asked for, and written with its metadata. Used by the Kafka thread only; calls block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.commit_metadata import Commit, CommitMetadata
from consumer.records import PublishFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from confluent_kafka import KafkaError

    from consumer.commit_metadata import Place

REQUEST_S: Final = 5.0
"""Timeout of one question to the broker; the client asks again within it while an unfinished transaction holds an
offset back."""


class GroupOffsets:
    """The offsets of the consumer's group. `end_if_denied` raises where an error is a missing right."""

    def __init__(self, consumer: Consumer, end_if_denied: Callable[[KafkaError, str | None], None]) -> None:
        self._consumer = consumer
        self._end_if_denied = end_if_denied

    def committed(self, places: Iterable[Place]) -> list[Commit]:
        """What is committed at these places, in their order.

        Raises PublishFailed while it is not known and stable.
        """
        partitions = [TopicPartition(*place) for place in places]
        if not partitions:
            return []
        try:
            answer = self._consumer.committed(partitions, timeout=REQUEST_S)
            failed = next((item.error for item in answer if item.error is not None), None)
        except KafkaException as error:
            failed = error.args[0]
        if failed is not None:
            self._end_if_denied(failed, None)
            raise PublishFailed(f"the committed offsets are not known: {failed.name()}")
        return [Commit((p.topic, p.partition), p.offset, CommitMetadata.decode(p.metadata)) for p in answer]

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commits and waits for the broker; raises PublishFailed."""
        if not commits:
            return
        try:
            done = self._consumer.commit(offsets=as_partitions(commits), asynchronous=False)
        except KafkaException as error:
            self._end_if_denied(error.args[0], None)
            raise PublishFailed(f"the commit failed: {error.args[0].name()}") from None
        for partition in done or ():
            if partition.error is not None:
                self._end_if_denied(partition.error, partition.topic)
                raise PublishFailed(f"the commit failed: {partition.error.name()}")


def as_partitions(commits: Iterable[Commit]) -> list[TopicPartition]:
    """Commits as the client takes them."""
    return [TopicPartition(*one.place, one.offset, one.metadata.encode()) for one in commits]
