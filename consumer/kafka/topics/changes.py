"""Reacts to topics that are deleted or created again, and to partitions from which the client fetches nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from consumer.kafka.commit_metadata import Commit, CommitMetadata
from consumer.kafka.offsets import known_ends
from consumer.kafka.start import recreated
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Future

    from consumer.kafka.assignment import Assignment
    from consumer.kafka.commit_metadata import Place
    from consumer.kafka.crash_loop import CrashLoop
    from consumer.kafka.offsets import GroupOffsets
    from consumer.kafka.partition import Partition

log = structlog.get_logger()

SILENT_S: Final = 10.0
"""Seconds without a record or the end of a partition after which its leader is asked; an end takes half a second.

If the leader answers and has records, the client is at fault and is replaced.
"""


class TopicChanges:
    """Used by the Kafka thread only."""

    def __init__(
        self,
        assignment: Assignment,
        offsets: GroupOffsets,
        crash_loop: CrashLoop,
        *,
        named: AbstractSet[str],
        group: str,
        replace_client: Callable[[], None],
    ) -> None:
        """`named`: the input topics that are no patterns; one of them that is deleted ends the process."""
        self._assignment = assignment
        self._offsets = offsets
        self._crash_loop = crash_loop
        self._named = named
        self._group = group
        self._replace_client = replace_client
        self._asked_ends: dict[Place, Future[Any]] = {}
        """Of partitions that have been silent."""

    def watch(self, drained_s: float) -> None:
        """Asks once a second whether the topics are still those that were assigned; acts on the answers.

        `drained_s`: when a read last found that the client had nothing, by the monotonic clock. Raises
        KafkaStateError where a person has to decide.
        """
        watch = self._offsets.watch
        if watch is None:
            return
        if answers := watch.answers():
            self._end_if_deleted(watch.gone())
            # Without waiting for GONE_S: a topic of a pattern is begun again if it comes back.
            self._wait_for({topic for topic, answer in answers.items() if answer is None} - self._named)
            for place, partition in self._assignment.owned.items():
                now = answers.get(place[0])
                if now and partition.is_begun:
                    if partition.topic_id not in {"", now}:
                        self._begin_recreated(place, partition, now)
                    # Not `next`: the answer says nothing of records that were read after the question.
                    partition.known_to = partition.asked_at
        if watch.is_due:
            self._replace_client_if_silent(drained_s)
            watch.ask(self._assignment.topics)
            for partition in self._assignment.owned.values():
                partition.asked_at = partition.next

    def wait_for_missing(self) -> None:
        """Drops topics of a pattern that no longer exist; asks the broker, and blocks."""
        if (watch := self._offsets.watch) is not None:
            topics = self._assignment.topics
            self._wait_for(topics - watch.ids(topics).keys() - self._named)

    def _replace_client_if_silent(self, drained_s: float) -> None:
        """Replaces the client where it brings nothing of a partition that its leader has records of."""
        now = time.monotonic()
        owned = self._assignment.owned
        silent = [
            place
            for place in self._assignment.begun
            # `drained_s` and not now: while the client holds records of other partitions it has not had its turn.
            if not self._assignment.is_paused and drained_s - owned[place].asked_for_s > SILENT_S
        ]
        if not self._asked_ends and silent:
            # In the background: a leader that is away would hold the loop up for seconds.
            self._asked_ends = self._offsets.ask_ends(silent)
        elif self._asked_ends and all(answer.done() for answer in self._asked_ends.values()):
            ends, self._asked_ends = known_ends(self._asked_ends), {}
            for place in silent:
                owned[place].asked_for_s = now
            # librdkafka 2.16 never fetches from a new topic of an old name whose leader had changed: it takes the
            # leader epochs, which begin at 0 again, for outdated. Assigning the partition anew did not help.
            if stuck := [place for place in silent if ends.get(place, -1) > owned[place].next]:
                log.warning("client_replaced", silent=[f"{topic}-{number}" for topic, number in stuck])
                self._replace_client()

    def _begin_recreated(self, place: Place, partition: Partition, now: str) -> None:
        """Begins a topic that was deleted and created again at its first record.

        Raises KafkaStateError where records were read since the topic was last known: they may be the new one's.
        """
        if partition.next != partition.known_to:
            raise recreated(place, partition.next, self._group)
        first, _ = self._offsets.bounds(place)
        # Committed first: if the group still has the old topic's offset, `StartPolicy` would halt there.
        self._offsets.commit([Commit(place, first, CommitMetadata(topic_id=now))])
        log.warning("topic_recreated", partition=f"{place[0]}-{place[1]}", begin=first)
        self._unbegin(place)

    def _end_if_deleted(self, gone: set[str]) -> None:
        """Raises KafkaStateError for a topic that the settings name and that was deleted."""
        if named := gone & self._named:
            raise KafkaStateError(
                f"input topic {', '.join(sorted(named))} was deleted: create it, or take it out of input_topics"
            )

    def _wait_for(self, topics: set[str]) -> None:
        """Drops topics of a pattern that no longer exist; if they return, they are begun again."""
        for place in self._assignment.begun:
            if place[0] in topics:
                log.warning("topic_deleted", partition=f"{place[0]}-{place[1]}")
                self._unbegin(place)

    def _unbegin(self, place: Place) -> None:
        self._crash_loop.forget([place])
        self._assignment.unbegin(place)
