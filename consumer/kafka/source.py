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
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from consumer.events import OffsetsCommitted, PartitionsAssigned, PartitionsBegun, PartitionsRevoked
from consumer.kafka.assignment import Assignment
from consumer.kafka.commit_metadata import Commit, CommitMetadata
from consumer.kafka.crash_loop import CrashLoop
from consumer.kafka.offsets import GroupOffsets
from consumer.kafka.start import StartPolicy, out_of_range, recreated
from consumer.kafka.topic_changes import TopicChanges
from consumer.log_events import log_event
from consumer.stream.records import PublishFailed, Record
from shared.errors import SentimentError
from shared.kafka.client import RECONNECT_MS, client_config
from shared.kafka.errors import DENIED, ClientErrors, explain, refused_configuration
from shared.kafka.message import headers_of
from shared.kafka.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import Place
    from consumer.kafka.partition import Partition
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

REFRESH_MS: Final = 5_000
"""How often the client asks for topics, so how soon it finds one that a pattern matches; a rebalance follows.

With the client's default nobody reads a new topic for 5 minutes. With a pattern, in the classic protocol, the
answer lists the whole cluster: 6.6 kB for 88 topics with 103 partitions, measured.
"""
STABLE_S: Final = 60.0
"""How long offsets may stay unknown: an unfinished transaction of another process holds them back."""
MIN_FETCH_BYTES: Final = 2**20
"""A request that is to bring less than this from all partitions costs throughput."""

_PROTOCOLS: Final[dict[str, dict[str, str | int | float | bool]]] = {
    "classic": {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}

_TRANSIENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the client's public constants
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    }
)


class KafkaSource:
    """A member of a consumer group; every method is called by one thread."""

    def __init__(self, settings: ConsumerSettings, observer: Observer = log_event) -> None:
        self._observer = observer
        self._servers = settings.kafka.bootstrap_servers
        self._group = settings.group_id
        self._errors = ClientErrors()
        self._config = client_config(
            settings.kafka,
            self._errors,
            {
                "client.id": settings.consumer_client_id,
                "group.id": settings.group_id,
                **_PROTOCOLS[settings.group_protocol],
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                # Where to begin is decided in `begin`, so that an offset lost to retention halts loudly.
                "auto.offset.reset": "error",
                "check.crcs": True,
                "topic.metadata.refresh.interval.ms": REFRESH_MS,
                "socket.timeout.ms": 30_000,
                "reconnect.backoff.max.ms": RECONNECT_MS,
                # What the client holds in addition to the batches in hand: a quarter as much, fetched in as large
                # requests.
                "queued.max.messages.kbytes": max(1, settings.limits.inflight_bytes // 4 // 1024),
                "fetch.max.bytes": max(MIN_FETCH_BYTES, settings.limits.inflight_bytes // 4),
            },
        )
        watched = client_config(settings.kafka, ClientErrors(), {"client.id": "sentiment-topic-watch"})
        try:
            self._consumer = Consumer(self._config)
            self._admin = AdminClient(watched)
        except KafkaException as error:
            raise refused_configuration(error) from None
        self._assignment = Assignment(lambda: self._consumer)
        self._offsets = GroupOffsets(lambda: self._consumer, self._admin, self._is_read, self._end_if_denied)
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
            group=self._group,
            replace_client=self._replace_client,
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
        return [record for record in map(self._accept, messages) if record is not None]

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

    def _accept(self, message: Message) -> Record | None:
        """Turns a message into a record of the current assignment; None if it is not a new record."""
        error = message.error()
        if error is not None:
            self._classify(error, message)
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return None
        owned = self._assignment.owned.get((topic, partition))
        if owned is None or not owned.is_begun or offset < owned.next:
            return None
        owned.last = offset
        owned.next = offset + 1
        owned.asked_for_s = math.inf
        kind, timestamp_ms = message.timestamp()
        headers = headers_of(message)
        return Record(
            topic,
            partition,
            offset,
            None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
            message.key(),
            message.value(),
            headers or (),
            owned.owner,
            headers_lost=headers is None,
        )

    def _classify(self, error: KafkaError, message: Message) -> None:
        code, topic, partition = error.code(), message.topic(), message.partition()
        place = None if topic is None or partition is None else (topic, partition)
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001
            self._reached_end(place, message.offset())
        elif code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            if place is not None and (owned := self._assignment.owned.get(place)) is not None and owned.is_begun:
                self._out_of_range(place, owned)
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART and topic not in self._named:
            # The pattern itself where it matches nothing, or a topic that it matched and that was deleted.
            log.warning("topic_unavailable", topic=topic)
        elif code in _TRANSIENT or error.retriable():
            log.warning("kafka_transient_error", error=error.name())
        else:
            raise self._explained(error, topic)

    def _reached_end(self, place: Place | None, offset: int | None) -> None:
        """Notes that a partition is read to its end, which lies behind what no reader is given.

        Markers, aborted records.
        """
        owned = None if place is None else self._assignment.owned.get(place)
        if place is not None and owned is not None and owned.is_begun:
            self._crash_loop.reached_end(place)
            owned.next = max(owned.next, offset or 0)
            owned.asked_for_s = math.inf

    def _out_of_range(self, place: Place, partition: Partition) -> None:
        """Halts where the offset to be read next does not exist.

        Begins again where only the beginning moved on.
        """
        first, end = self._offsets.bounds(place)
        (topic, _), offset = place, partition.next
        ids = self._offsets.topic_ids({topic})
        if ids.get(topic) not in {None, "", partition.topic_id}:
            raise recreated(place, offset, self._group)
        if partition.is_new and partition.last < 0 and offset < first:
            partition.began = first
            partition.go_to(first)
            self._assignment.seek(place, first)
            self._observer(PartitionsBegun({place: first}))
            return
        raise out_of_range(place, offset, (first, end), self._group)

    def _explained(self, error: KafkaError, topic: str | None) -> SentimentError:
        rights = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {topic or ', '.join(self._topics)}",
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ on group {self._group}",
        }
        return explain(error, self._servers, rights)

    def _end_if_denied(self, error: KafkaError, topic: str | None = None) -> None:
        """Raises KafkaRefused for a right that was taken away, which no recovery brings back."""
        if error.code() in DENIED:
            raise self._explained(error, topic) from None

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
