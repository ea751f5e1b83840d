"""The partitions that the group has assigned to this member, and which of them the client fetches.

A partition that the group assigns is not assigned in the client before `begin`: where it begins is decided outside
of any callback, and this run is counted there first. It must not be assigned at once, at a logical offset, and
sought later: at times the client went to that offset after all, half a second later, and skipped records.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.kafka.partition import Partition
from consumer.stream.records import PublishFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumer.kafka.commit_metadata import Commit, Place


class Assignment:
    """Used by the Kafka thread only. Methods that change what the client fetches raise PublishFailed."""

    def __init__(self, consumer: Callable[[], Consumer]) -> None:
        """`consumer`: the present client."""
        self._consumer = consumer
        self.owned: dict[Place, Partition] = {}
        self.waiting: dict[Place, float] = {}
        """Assigned partitions that are not begun, and since when, by the monotonic clock."""
        self.is_paused = False
        self._probe: Place | None = None
        """Fetched while all others are paused, until it answers; then it is paused as they are."""

    @property
    def begun(self) -> list[Place]:
        """The partitions that the client fetches, or would without a pause."""
        return [place for place, one in self.owned.items() if one.is_begun]

    @property
    def topics(self) -> set[str]:
        """The topics of the begun partitions."""
        return {topic for topic, _ in self.begun}

    def add(self, places: Iterable[Place]) -> None:
        """Takes over partitions, to be begun."""
        places = list(places)
        self.let_go(places)
        for place in places:
            self.owned[place] = Partition()
            self.waiting[place] = time.monotonic()

    def begin(self, commit: Commit, *, is_new: bool) -> None:
        """Begins to fetch a partition; `is_new`: the group had no commit there."""
        partition = self.owned[commit.place]
        # First, as it may raise: then the partition still waits, and `KafkaSource.begin` tries again.
        self._assign(TopicPartition(*commit.place, commit.offset))
        self.waiting.pop(commit.place, None)
        partition.is_begun = True
        partition.is_new = is_new
        partition.topic_id = commit.metadata.topic_id
        partition.asked_for_s = time.monotonic()
        partition.began = commit.offset
        partition.go_to(commit.offset)

    def unbegin(self, place: Place) -> None:
        """Stops fetching a partition, which waits to be begun again."""
        partition = self.owned[place]
        partition.owner.held = False
        partition.is_begun = False
        self._unassign([TopicPartition(*place)])
        self.waiting[place] = time.monotonic()

    def let_go(self, places: Iterable[Place]) -> None:
        """Forgets partitions; what was read of them is no longer held."""
        for place in places:
            self.waiting.pop(place, None)
            if (partition := self.owned.pop(place, None)) is not None:
                # The mutant `no_token` leaves this out: 325 of 2,500 messages came twice.
                partition.owner.held = False

    def clear(self) -> None:
        """Forgets all, for another client."""
        self.let_go(list(self.owned))
        self.is_paused, self._probe = False, None

    def seek(self, place: Place, offset: int) -> None:
        """Goes on reading at an offset, also where fetching has stopped for want of one."""
        target = TopicPartition(*place, offset)
        try:
            self._consumer().seek(target)
        except KafkaException:
            self._unassign([target])
            self._assign(target)

    def pause(self) -> None:
        """Stops fetching, also of partitions that are begun while it lasts."""
        if not self.is_paused:
            self.is_paused = True
            self._consumer().pause([TopicPartition(*place) for place in self.begun])

    def resume(self) -> None:
        """Ends `pause`."""
        if self.is_paused:
            self.is_paused = False
            self._consumer().resume([TopicPartition(*place) for place in self.begun])
            for partition in self.owned.values():
                # A pause must not count as silence, for which `TopicChanges` replaces the client. `max` keeps the
                # infinity of a partition that has answered.
                partition.asked_for_s = max(partition.asked_for_s, time.monotonic())

    def probe(self, place: Place) -> None:
        """Pauses all but one partition, which is about to be begun."""
        self.pause()
        self._probe = place

    def end_probe(self) -> None:
        """Pauses what was probed until the others are resumed as well."""
        if self._probe is not None:
            place, self._probe = self._probe, None
            if self.is_paused and (partition := self.owned.get(place)) is not None and partition.is_begun:
                self._consumer().pause([TopicPartition(*place)])

    def _assign(self, target: TopicPartition) -> None:
        try:
            self._consumer().incremental_assign([target])
            # librdkafka keeps the pause of a partition across unassign and assign: one that was taken away during
            # a pause came back paused, and its last 170 messages were not read for four minutes.
            is_paused = self.is_paused and (target.topic, target.partition) != self._probe
            (self._consumer().pause if is_paused else self._consumer().resume)([target])
        except KafkaException as error:
            raise PublishFailed(f"assigning failed: {error.args[0].name()}") from None

    def _unassign(self, partitions: list[TopicPartition]) -> None:
        try:
            self._consumer().incremental_unassign(partitions)
        except KafkaException as error:
            raise PublishFailed(f"unassigning failed: {error.args[0].name()}") from None
