"""From the client's messages to records of the present assignment: what is new, and what an error means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError

from consumer.events import PartitionsBegun
from consumer.kafka.start import out_of_range, recreated
from consumer.stream.records import Record
from shared.kafka.message import headers_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from confluent_kafka import Message

    from consumer.events import Observer
    from consumer.kafka.assignment import Assignment
    from consumer.kafka.commit_metadata import Place
    from consumer.kafka.crash_loop import CrashLoop
    from consumer.kafka.group_client import Rights
    from consumer.kafka.offsets import GroupOffsets
    from consumer.kafka.partition import Partition

log = structlog.get_logger()

_TRANSIENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the client's public constants
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    }
)


class Intake:
    """Used by the Kafka thread only."""

    def __init__(
        self,
        assignment: Assignment,
        offsets: GroupOffsets,
        crash_loop: CrashLoop,
        *,
        named: AbstractSet[str],
        rights: Rights,
        observer: Observer,
    ) -> None:
        """`named`: the input topics that are no patterns."""
        self._assignment = assignment
        self._offsets = offsets
        self._crash_loop = crash_loop
        self._named = named
        self._rights = rights
        self._observer = observer

    def accept(self, message: Message) -> Record | None:
        """Turns a message into a record of the current assignment; None if it is not a new record.

        Raises an explained error when the broker denies a right or a partition's offset is gone.
        """
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
            raise self._rights.explained(error, topic)

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
            raise recreated(place, offset, self._rights.group)
        if partition.is_new and partition.last < 0 and offset < first:
            partition.began = first
            partition.go_to(first)
            self._assignment.seek(place, first)
            self._observer(PartitionsBegun({place: first}))
            return
        raise out_of_range(place, offset, (first, end), self._rights.group)
