"""Kafka in: reading, pausing, ownership of partitions, and going back to the last commit.

Facts the code rests on (measured with librdkafka 2.16): rebalance callbacks run inside `poll`, `consume`
and `close` only; an exception that leaves a callback destroys the batch just fetched although the
position has moved, so callbacks store what goes wrong and never raise; `pause` throws the prefetched
records away, so it is the last resort of a full pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.offsets import GroupOffsets
from consumer.records import Ownership, PublishFailed, Record
from consumer.suspects import Suspects
from shared.errors import KafkaStateError
from shared.kafka import (
    DENIED,
    RECONNECT_MS,
    ClientErrors,
    client_config,
    explain,
    headers_of,
    refused_configuration,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.settings import ConsumerSettings
    from consumer.suspects import Place
    from shared.errors import SentimentError

log = structlog.get_logger()

REFRESH_MS: Final = 5_000
"""How often the client asks for topics, so how soon it finds one that a pattern matches; a rebalance follows.

With the client's default nobody reads a new topic for 5 minutes. With a pattern, in the classic protocol, the
answer lists the whole cluster: 6.6 kB for 88 topics with 103 partitions, measured.
"""
REQUEST_S: Final = 5.0
"""Timeout of one question to the broker."""

_PROTOCOLS: Final[dict[str, dict[str, str | int | float | bool]]] = {
    "classic": {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}

_TRANSIENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the client's public constants
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._PARTITION_EOF,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    }
)


class KafkaSource:
    """A member of a consumer group; every method is called by one thread."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._servers = settings.kafka.bootstrap_servers
        self._group = settings.group_id
        self._start = settings.auto_offset_reset
        self._errors = ClientErrors()
        config = client_config(
            settings.kafka,
            self._errors,
            {
                "client.id": f"sentiment-consumer-{settings.transactional_id.rsplit('-', 1)[-1]}",
                "group.id": settings.group_id,
                **_PROTOCOLS[settings.group_protocol],
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                # Where to begin is decided in `_begin`, so that an offset lost to retention halts loudly.
                "auto.offset.reset": "error",
                "check.crcs": True,
                "topic.metadata.refresh.interval.ms": REFRESH_MS,
                "socket.timeout.ms": 30_000,
                "reconnect.backoff.max.ms": RECONNECT_MS,
                "queued.max.messages.kbytes": 16_384,
            },
        )
        try:
            self._consumer = Consumer(config)
        except KafkaException as error:
            raise refused_configuration(error) from None
        self._owned: dict[Place, Ownership] = {}
        self._offsets = GroupOffsets(self._consumer, self._end_if_denied)
        self._suspects = Suspects(
            deaths=settings.limits.max_crashes,
            reach=settings.limits.batch_records * settings.limits.inflight_batches,
            committed=self._offsets.counts,
            commit=self._offsets.mark,
        )
        self._callback_failure: KafkaException | None = None
        self._paused = False
        self.joined = False
        self._topics = list(settings.input_topics)
        self._named = {topic for topic in self._topics if not topic.startswith("^")}

    @property
    def client(self) -> Consumer:
        """The Kafka client, for questions before the first read."""
        return self._consumer

    def subscribe(self) -> None:
        """Joins the group; partitions arrive during later reads."""
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def read(self, max_records: int, wait_s: float) -> list[Record]:
        """Returns what is there at once, or waits up to `wait_s` for a first record; see `Source`.

        Raises an explained error when the broker denies a right or a partition's offset is gone.
        """
        careful, waiting = self._suspects.careful, self._suspects.waiting
        first = self._consumer.poll(0.0 if waiting else wait_s)
        messages = [] if first is None else [first]
        # `consume` waits its whole timeout unless it is full: 0 takes what has been fetched already.
        if first is not None and max_records > 1 and not waiting:
            messages += self._consumer.consume(max_records - 1, 0)
        if self._callback_failure is not None:
            failure, self._callback_failure = self._callback_failure, None
            raise PublishFailed(f"a rebalance failed: {failure.args[0].name()}")
        self._suspects.add([record for record in map(self._accept, messages) if record is not None])
        return [] if self._paused else self._suspects.take(max_records, alone=careful)

    @property
    def careful(self) -> bool:
        """Whether the next record is read alone; see `Source`."""
        return self._suspects.careful

    def pause(self) -> None:
        """Stops fetching, also for partitions that are assigned while it lasts."""
        if not self._paused:
            self._paused = True
            self._consumer.pause(self._partitions())

    def resume(self) -> None:
        """Ends `pause`."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._partitions())

    def commit(self, consumed: Sequence[Record]) -> None:
        """Commits the offsets after `consumed` and waits for the broker; raises PublishFailed."""
        self._offsets.commit(consumed)

    def group_metadata(self) -> Any:
        """The membership under which offsets join a transaction; opaque."""
        return self._consumer.consumer_group_metadata()

    def rewind(self, *, carefully: bool = False) -> None:
        """Seeks every owned partition to its committed offset; no record read so far is held any more.

        Where nothing is committed it seeks to where this member began. Waits while an unfinished
        transaction holds an offset back; raises PublishFailed when that takes too long.
        """
        for partition in self._offsets.committed(self._partitions()):
            key = (partition.topic, partition.partition)
            owner = self._owned.get(key)
            if owner is None:
                continue
            position = partition.offset if partition.offset >= 0 else owner.first
            self._own(key, Ownership(position, owner.caution))
            target = self._begin(partition) if position is None else position
            self._seek(TopicPartition(*key, target))
        if carefully:
            self._suspects.be_careful(owner.caution for owner in self._owned.values())

    def lag_records(self) -> int:
        """Records between the next to be read and the high watermark that the last fetch told."""
        lag = 0
        for (topic, partition), owner in self._owned.items():
            if owner.next is not None:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
                lag += max(0, high - owner.next)
        return lag

    def close(self) -> None:
        """Leaves the group, so that others take over at once."""
        self._consumer.close()

    def _accept(self, message: Message) -> Record | None:
        """Turns a message into a record of the current assignment; None for what is no new record."""
        error = message.error()
        if error is not None:
            self._classify(error, message)
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return None
        owner = self._owned.get((topic, partition))
        if owner is None or (owner.next is not None and offset < owner.next):
            return None
        if owner.first is None:
            owner.first = offset
        owner.next = offset + 1
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
            owner,
            headers_lost=headers is None,
        )

    def _classify(self, error: KafkaError, message: Message) -> None:
        code = error.code()
        if code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            topic, partition = message.topic(), message.partition()
            if topic is not None and partition is not None and (topic, partition) in self._owned:
                self._start_or_halt(TopicPartition(topic, partition))
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART and message.topic() not in self._named:
            # The pattern itself where it matches nothing, or a topic that it matched and that was deleted.
            log.warning("topic_unavailable", topic=message.topic())
        elif code in _TRANSIENT or error.retriable():
            log.warning("kafka_transient_error", error=error.name())
        else:
            raise self._explained(error, message.topic())

    def _start_or_halt(self, partition: TopicPartition) -> None:
        """Begins a partition that has no committed offset; halts when it has one that no longer exists."""
        (committed,) = self._offsets.committed([partition])
        if committed.offset >= 0:
            raise KafkaStateError(
                f"{partition.topic}[{partition.partition}]: the committed offset {committed.offset} no longer "
                "exists, so records were deleted before they were scored; raise the topic's retention, then move "
                "the group on with kafka-consumer-groups --reset-offsets --to-earliest"
            )
        offset = self._begin(partition)
        self._own((partition.topic, partition.partition), Ownership(None if offset < 0 else offset))
        self._seek(TopicPartition(partition.topic, partition.partition, offset))

    def _begin(self, partition: TopicPartition) -> int:
        """Where a partition without a commit begins; under `latest` the end of now, pinned to a number."""
        if self._start == "earliest":
            return OFFSET_BEGINNING
        _, high = self._consumer.get_watermark_offsets(partition, timeout=REQUEST_S)
        return int(high)

    def _seek(self, target: TopicPartition) -> None:
        """Goes on reading at `target.offset`, also where fetching has stopped for want of an offset."""
        try:
            self._consumer.seek(target)
        except KafkaException:
            self._assign_again(target)

    def _assign_again(self, target: TopicPartition) -> None:
        try:
            self._consumer.incremental_unassign([TopicPartition(target.topic, target.partition)])
            self._consumer.incremental_assign([target])
            if self._paused:
                self._consumer.pause([target])
        except KafkaException as error:
            raise PublishFailed(f"seeking failed: {error.args[0].name()}") from None

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

    def _own(self, place: Place, owner: Ownership) -> None:
        self._let_go(place)
        self._owned[place] = owner

    def _let_go(self, place: Place) -> None:
        """Makes what was read of a partition so far stale."""
        if (owner := self._owned.pop(place, None)) is not None:
            owner.held = False

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic, partition in self._owned]

    def _on_assign(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        try:
            assigned = list(partitions)
            for partition in assigned:
                self._own((partition.topic, partition.partition), Ownership())
            consumer.incremental_assign(assigned)
            # The client remembers of a partition that was taken away while it was paused that it is paused.
            (consumer.pause if self._paused else consumer.resume)(assigned)
            self.joined = True
            log.info("partitions_assigned", partitions=_names(assigned), owned=len(self._owned))
        except KafkaException as error:
            self._callback_failure = error

    def _on_revoke(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        try:
            revoked = list(partitions)
            for partition in revoked:
                self._let_go((partition.topic, partition.partition))
            consumer.incremental_unassign(revoked)
            log.info("partitions_revoked", partitions=_names(revoked), owned=len(self._owned))
        except KafkaException as error:
            self._callback_failure = error


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [f"{partition.topic}-{partition.partition}" for partition in partitions]
