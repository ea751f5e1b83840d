"""Kafka in: reading, pausing, ownership of partitions, and going back to the last commit.

Facts the code rests on (measured with librdkafka 2.16): rebalance callbacks run inside `poll`, `consume`
and `close` only; an exception that leaves a callback destroys the batch just fetched although the
position has moved, so callbacks store what goes wrong and never raise; `pause` throws the prefetched
records away, so it is the last resort of a full pipeline.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.events import OffsetsCommitted, PartitionsAssigned, PartitionsBegun, PartitionsRevoked
from consumer.kafka.assignment import Assignment
from consumer.kafka.commit_metadata import Commit, CommitMetadata
from consumer.kafka.crash_loop import CrashLoop
from consumer.kafka.group_client import Rights, group_client_config
from consumer.kafka.intake import Intake
from consumer.kafka.offsets import GroupOffsets
from consumer.kafka.start import StartPolicy, named
from consumer.kafka.topics.changes import TopicChanges
from consumer.log_events import log_event
from consumer.stream.records import PublishFailed, Record
from shared.errors import SentimentError
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, refused_configuration
from shared.kafka.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import Place
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

STABLE_S: Final = 60.0
"""How long offsets may stay unknown: an unfinished transaction of another process holds them back."""


class KafkaSource:
    """A member of a consumer group; every method is called by one thread."""

    def __init__(self, settings: ConsumerSettings, observer: Observer = log_event) -> None:
        self._observer = observer
        self._config = group_client_config(settings, ClientErrors())
        watched = client_config(settings.kafka, ClientErrors(), {"client.id": "sentiment-topic-watch"})
        try:
            self._consumer = Consumer(self._config)
            self._admin = AdminClient(watched)
        except KafkaException as error:
            raise refused_configuration(error) from None
        self._assignment = Assignment(lambda: self._consumer)
        rights = Rights(settings.kafka.bootstrap_servers, settings.group_id, tuple(settings.input_topics))
        self._offsets = GroupOffsets(lambda: self._consumer, self._admin, self._is_read, rights.end_if_denied)
        self._drained_s = 0.0
        """When a read last found that the client had nothing, by the monotonic clock."""
        self._crash_loop = CrashLoop(
            max_crashes=settings.limits.max_crashes,
            reach=settings.limits.most_in_hand,
            group=settings.group_id,
            ask=self._offsets.committed,
            commit=self._offsets.commit,
            ends=self._offsets.ends,
            observer=observer,
        )
        self._start = StartPolicy(self._offsets, settings.auto_offset_reset, settings.group_id)
        self._callback_failure: KafkaException | None = None
        self._probe_waits = False
        """Whether a partition is to be probed, once nothing is in hand."""
        self._ends_in_order = True
        self.joined = False
        self._topics = list(settings.input_topics)
        self._named = {topic for topic in self._topics if not topic.startswith("^")}
        self._patterns = [topic for topic in self._topics if topic.startswith("^")]
        self._own_topics = {settings.output_topic, settings.dlq_topic}
        self._changes = TopicChanges(
            self._assignment,
            self._offsets,
            self._crash_loop,
            named=self._named,
            group=settings.group_id,
            replace_client=self._replace_client,
        )
        self._intake = Intake(
            self._assignment,
            self._offsets,
            self._crash_loop,
            named=self._named,
            rights=rights,
            observer=observer,
        )

    @property
    def crash_loop(self) -> CrashLoop:
        """The counts of crashed runs, for the quarantine."""
        return self._crash_loop

    def subscribe(self) -> None:
        """Joins the group; partitions arrive during later reads."""
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @property
    def is_probing(self) -> bool:
        """Whether a partition is to be fetched, or is being, that may end the process; see `Source`."""
        return self._probe_waits or self._crash_loop.is_probing

    def begin(self, *, alone: bool) -> list[Commit]:
        """Begins the partitions that were assigned since the last call; see `Source`.

        Raises KafkaStateError where a person has to decide, and PublishFailed after STABLE_S without an answer.
        """
        self._changes.watch(self._drained_s)
        waiting = self._assignment.waiting
        try:
            self._crash_loop.settle()
            if not self._crash_loop.is_probing:
                self._assignment.end_probe()
            if self._crash_loop.is_probing or (self._probe_waits and not alone):
                return []
            self._probe_waits = False
            found = self._start.beginnings(list(waiting), self._assignment.owned) if waiting else []
            begun = set(self._crash_loop.begin([one.commit for one in found], alone=alone))
        except PublishFailed as failure:
            self._probe_waits = False
            waited_s = time.monotonic() - min(waiting.values(), default=time.monotonic())
            if waited_s > STABLE_S:
                raise
            log.warning("beginning_waits", reason=str(failure), waited_s=round(waited_s, 1))
            return []
        beginnings = [one for one in found if one.commit.place in begun]
        self._probe_waits = any(one.commit.metadata.fetching for one in found if one not in beginnings)
        if self._crash_loop.is_probing and beginnings:
            self._assignment.probe(beginnings[0].commit.place)
        for one in beginnings:
            self._assignment.begin(one.commit, is_new=one.is_new)
        if beginnings:
            self._observer(PartitionsBegun({one.commit.place: one.commit.offset for one in beginnings}))
        return [one.commit for one in beginnings]

    def read(self, max_records: int, wait_s: float) -> list[Record]:
        """Returns what is there at once, or waits up to `wait_s` for a first record; see `Source`.

        Raises an explained error when the broker denies a right or a partition's offset is gone.
        """
        first = self._consumer.poll(wait_s)
        messages = [] if first is None else [first]
        if first is None and not self._assignment.is_paused:
            self._drained_s = time.monotonic()
        # `consume` waits its whole timeout unless it is full: 0 takes what has been fetched already.
        if first is not None and max_records > 1:
            messages += self._consumer.consume(max_records - 1, 0)
        if self._callback_failure is not None:
            failure, self._callback_failure = self._callback_failure, None
            raise PublishFailed(f"a rebalance failed: {failure.args[0].name()}")
        return [record for record in map(self._intake.accept, messages) if record is not None]

    def pause(self) -> None:
        """Stops fetching, also for partitions that are assigned while it lasts."""
        self._assignment.pause()

    def resume(self) -> None:
        """Ends `pause`."""
        self._assignment.resume()

    def commits_after(self, records: Sequence[Record]) -> list[Commit]:
        """The offset after the last record of each partition, or after what follows it to the end; see `Source`.

        Never `position()`, which is ahead of what has been published.
        """
        last = {(record.topic, record.partition): record for record in records}
        return [self._commit_after(place, record) for place, record in last.items()]

    def commits_at_ends(self) -> list[Commit]:
        """Ends behind the last record, such as transactions leave them, of which all records are committed."""
        return [
            Commit(place, one.next, CommitMetadata(topic_id=one.topic_id))
            for place, one in self._assignment.owned.items()
            if one.is_begun and one.last < one.committed < one.next
        ]

    def published(self, commits: Sequence[Commit], records: Sequence[Record]) -> None:
        """Notes what is committed; see `Source`."""
        for commit in commits:
            if (partition := self._assignment.owned.get(commit.place)) is not None:
                partition.committed = commit.offset
        self._crash_loop.published(commits, records)
        self._observer(OffsetsCommitted({commit.place: commit.offset for commit in commits}))

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commits for the group and waits for the broker; raises PublishFailed."""
        self._offsets.commit(commits)

    def group_metadata(self) -> Any:
        """The membership under which offsets join a transaction; opaque."""
        return self._consumer.consumer_group_metadata()

    def rewind(self) -> None:
        """Seeks every partition to its committed offset; no record read so far is held any more.

        Where nothing is committed it seeks to where this member began. Waits while an unfinished
        transaction holds an offset back; raises PublishFailed when that takes too long.
        """
        self._changes.wait_for_missing()
        for commit in self._offsets.committed(self._assignment.begun, patience_s=STABLE_S):
            if (partition := self._assignment.owned.get(commit.place)) is not None:
                partition.go_to(commit.offset if commit.offset >= 0 else partition.began)
                self._assignment.seek(commit.place, partition.next)
        owned = self._assignment.owned
        self._observer(PartitionsBegun({place: owned[place].committed for place in self._assignment.begun}))

    def caught_up(self) -> bool:
        """Whether every owned partition is read to its end of now; see `Source`.

        A silent partition need not be read out: it waits for its beginning while an unfinished transaction of a
        member that was killed holds its offset back, or its broker is away.
        """
        owned = self._assignment.owned
        ends = self._offsets.ends(self._assignment.begun) if self._assignment.begun else {}
        behind = [
            place for place, one in owned.items() if not one.is_begun or ends.get(place, math.inf) > one.next
        ]
        if behind:
            log.info("not_caught_up", partitions=named(behind))
        return not behind

    def lag_records(self) -> int:
        """Offsets between what is committed next and the high watermark of the last fetch."""
        lag = 0
        for place in self._assignment.begun:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            lag += max(0, high - self._assignment.owned[place].next)
        return lag

    def ends(self, places: Collection[Place], within_s: float) -> dict[Place, int]:
        """The end of each partition whose leader answers in time, as `GroupOffsets.ends`. Any thread."""
        try:
            return self._offsets.ends(places, within_s)
        except KafkaException:  # the client is closing
            return {}

    def close(self, mark: Callable[[CommitMetadata], CommitMetadata] | None) -> None:
        """Leaves the group, so that others take over at once; see `Source`."""
        self._ends_in_order = mark is not None
        if mark is not None:
            try:
                self._say_in_order(mark)
            except (PublishFailed, SentimentError) as failure:
                log.warning("end_not_recorded", reason=str(failure))
        self._consumer.close()

    def _say_in_order(self, mark: Callable[[CommitMetadata], CommitMetadata]) -> None:
        self._crash_loop.withdraw(self._assignment.owned.keys())
        places = self._assignment.begun
        if mark(CommitMetadata()) != CommitMetadata():
            found = [one for one in self._offsets.committed(places) if one.offset >= 0]
            self._offsets.commit([one._replace(metadata=mark(one.metadata)) for one in found])

    def _commit_after(self, place: Place, record: Record) -> Commit:
        partition = self._assignment.owned.get(place)
        is_last = partition is not None and partition.last == record.offset
        offset = partition.next if partition is not None and is_last else record.offset + 1
        return Commit(place, offset, self._crash_loop.carried(record))

    def _replace_client(self) -> None:
        """Leaves the group, in order, and joins it again with a client that knows nothing of before."""
        self._withdraw(self._assignment.owned.keys())  # while a client that closes answers no question
        self._consumer.close()
        self._assignment.clear()
        self._probe_waits, self.joined = False, False
        self._consumer = Consumer(self._config)
        self.subscribe()

    def _is_read(self, topic: str) -> bool:
        """Whether a topic is one of the inputs: a pattern never means the topics that this service writes."""
        is_input = topic in self._named or any(matches(pattern, topic) for pattern in self._patterns)
        return is_input and topic not in self._own_topics

    def _on_assign(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        try:
            assigned = list(partitions)
            consumer.incremental_assign([])  # none of them before `begin`
            places = [(one.topic, one.partition) for one in assigned if one.topic not in self._own_topics]
            self._assignment.add(places)
            self.joined = True
            self._observer(PartitionsAssigned(_places(assigned), owned=len(self._assignment.owned)))
        except KafkaException as error:
            self._callback_failure = error

    def _on_revoke(self, _consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        revoked = list(partitions)
        if self._ends_in_order:
            self._withdraw([(one.topic, one.partition) for one in revoked])
        self._give_up(revoked)

    def _withdraw(self, places: Collection[Place]) -> None:
        try:
            self._crash_loop.withdraw(places)
        except (PublishFailed, SentimentError) as failure:
            log.warning("end_not_recorded", reason=str(failure))

    def _on_lost(self, _consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        self._give_up(list(partitions), is_lost=True)

    def _give_up(self, partitions: list[TopicPartition], *, is_lost: bool = False) -> None:
        """Makes what was read of partitions stale, and lets go of those that were begun."""
        places = _places(partitions)
        begun = set(self._assignment.begun).intersection(places)
        self._crash_loop.forget(places)
        self._assignment.let_go(places)
        try:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in begun])
            self._observer(PartitionsRevoked(places, len(self._assignment.owned), is_lost))
        except KafkaException as error:
            self._callback_failure = error


def _places(partitions: Iterable[TopicPartition]) -> tuple[Place, ...]:
    return tuple((partition.topic, partition.partition) for partition in partitions)
