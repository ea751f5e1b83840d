"""Questions to the broker about a group's partitions: commits, bounds, topics. Kafka thread only; calls block."""

from __future__ import annotations

import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from consumer.kafka.commit_metadata import Commit, CommitMetadata
from consumer.kafka.topics.watch import TopicWatch, ask_any_broker
from consumer.stream.records import PublishFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any

    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient, ClusterMetadata

    from consumer.kafka.commit_metadata import Place

REQUEST_S: Final = 5.0
"""Timeout of one question to the broker; the client asks again within it while an unfinished transaction holds an
offset back."""
RETRY_S: Final = 0.05
"""Pause between two questions for commits, where the answer is an error at once."""
EMBEDDED: Final = "mockCluster"
"""How librdkafka's embedded brokers call themselves; they answer no question of an admin client."""


class GroupOffsets:
    """The offsets of the consumer's group. `end_if_denied` raises where an error is a missing right."""

    def __init__(
        self,
        consumer: Callable[[], Consumer],
        admin: AdminClient,
        is_read: Callable[[str], bool],
        end_if_denied: Callable[[KafkaError, str | None], None],
    ) -> None:
        """`consumer`: the present client. `is_read` says whether a topic is one of the inputs."""
        self._consumer = consumer
        self._admin = admin
        self._is_read = is_read
        self._end_if_denied = end_if_denied
        self.watch: TopicWatch | None = None
        """Made at the first question for the ids of topics; never where the broker is an embedded one."""

    def committed(self, places: Collection[Place], *, patience_s: float = 0.0) -> list[Commit]:
        """What is committed at these places, in their order.

        Raises PublishFailed while it is not known and stable, after asking for `patience_s` again and again.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._committed(places)
            except PublishFailed:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_S)

    def _committed(self, places: Collection[Place]) -> list[Commit]:
        partitions = [TopicPartition(*place) for place in places]
        if not partitions:
            return []
        try:
            answer = self._consumer().committed(partitions, timeout=REQUEST_S)
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
            done = self._consumer().commit(offsets=as_partitions(commits), asynchronous=False)
        except KafkaException as error:
            self._end_if_denied(error.args[0], None)
            raise PublishFailed(f"the commit failed: {error.args[0].name()}") from None
        # The call can succeed although the broker refused a partition; only the entry of that partition says so.
        for partition in done or ():
            if partition.error is not None:
                self._end_if_denied(partition.error, partition.topic)
                raise PublishFailed(f"the commit failed: {partition.error.name()}")

    def bounds(self, place: Place) -> tuple[int, int]:
        """First offset of a partition and its end, as a read_committed reader sees it; raises PublishFailed."""
        topic, partition = place
        try:
            low, high = self._consumer().get_watermark_offsets(TopicPartition(*place), timeout=REQUEST_S)
        except KafkaException as error:
            self._end_if_denied(error.args[0], topic)
            reason = error.args[0].name()
            raise PublishFailed(f"the offsets of {topic}-{partition} are not known: {reason}") from None
        return int(low), int(high)

    def ends(self, places: Collection[Place], within_s: float = REQUEST_S + 1) -> dict[Place, int]:
        """The end of each partition whose leader answers in time, unfinished transactions included. Any thread."""
        asked = self.ask_ends(places)
        wait(asked.values(), timeout=within_s)  # the client answers for all at once
        return known_ends(asked)

    def ask_ends(self, places: Collection[Place]) -> dict[Place, Future[Any]]:
        """Asks for the ends in the background, for `known_ends`."""
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(asked, request_timeout=REQUEST_S)
        return {(one.topic, one.partition): answer for one, answer in answers.items()}

    def all_places(self) -> list[Place]:
        """All partitions of the topics that the group reads; raises PublishFailed."""
        topics = self._metadata().topics
        return [(name, number) for name, one in topics.items() if self._is_read(name) for number in one.partitions]

    def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """The id of each topic that exists, or "" where the broker gives none; raises PublishFailed."""
        if self.watch is None:
            # One topic by name: without one the answer lists the whole cluster, 6.6 kB for 88 topics.
            if str(self._metadata(next(iter(topics))).cluster_id).startswith(EMBEDDED):
                return dict.fromkeys(topics, "")
            self.watch = TopicWatch(self._admin)
        return self.watch.ids(topics)

    def _metadata(self, topic: str | None = None) -> ClusterMetadata:
        def ask(timeout_s: float) -> ClusterMetadata:
            try:
                metadata: ClusterMetadata = self._consumer().list_topics(topic, timeout=timeout_s)
            except KafkaException as error:
                raise PublishFailed(f"the topics are not known: {error.args[0].name()}") from None
            return metadata

        return ask_any_broker(ask)


def known_ends(asked: Mapping[Place, Future[Any]]) -> dict[Place, int]:
    """The end offsets that have arrived; a question that failed or is not answered yet is left out."""
    arrived = {place: answer for place, answer in asked.items() if answer.done() and answer.exception() is None}
    return {place: answer.result().offset for place, answer in arrived.items()}


def as_partitions(commits: Iterable[Commit]) -> list[TopicPartition]:
    """Commits as the client takes them."""
    return [TopicPartition(*one.place, one.offset, one.metadata.encode()) for one in commits]
