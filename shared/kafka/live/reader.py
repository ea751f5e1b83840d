"""Follows topics without a group: committed records from given offsets on, without an end.

librdkafka connects again by itself, so an outage ends nothing: `trouble` says what is wrong meanwhile.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.message import is_about_the_group, is_partition_end, place_of
from shared.kafka.reader import Partition, without_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from shared.kafka.settings import KafkaSettings

ASK_S: Final = 2.0
"""Seconds between two questions whether brokers answer again, while there is trouble."""
_ANSWER_S: Final = 0.5


class LiveReader:
    """A client of one thread, closed after use."""

    def __init__(self, kafka: KafkaSettings, name: str, *, ahead_kib: int = 16_384) -> None:
        """`name` is the client id. Raises SettingsError for a configuration that librdkafka refuses."""
        self._servers = kafka.bootstrap_servers
        self._errors = ClientErrors()
        try:
            self._consumer = Consumer(client_config(kafka, self._errors, without_group(name, ahead_kib)))
        except KafkaException as error:
            raise refused_configuration(error) from None
        self._next: dict[Partition, int] = {}
        self._asked_s = 0.0
        self._denied: str | None = None

    def close(self) -> None:
        """Closes the connections."""
        self._consumer.close()

    def follow(self, starts: Mapping[Partition, int]) -> None:
        """Adds partitions, each from an offset on; those that are followed already go on where they are."""
        new = {partition: offset for partition, offset in starts.items() if partition not in self._next}
        if new:
            self._consumer.incremental_assign(
                [TopicPartition(*partition, offset) for partition, offset in new.items()]
            )
            self._next |= new

    def restart(self, starts: Mapping[Partition, int]) -> None:
        """Follows partitions from other offsets on, as after their topic was created again."""
        known = [TopicPartition(*partition) for partition in starts if partition in self._next]
        if known:
            self._consumer.incremental_unassign(known)
        for partition in starts:
            self._next.pop(partition, None)
        self.follow(starts)

    def positions(self) -> Mapping[Partition, int]:
        """The offset that is read next in each partition."""
        return self._next

    def poll(self, records: int, wait_s: float) -> list[Message]:
        """At most about `records` new records, in order within each partition; waits for the first one."""
        first = self._consumer.poll(wait_s)
        if first is None:
            self._ask()
            return []
        # `consume` waits for its whole timeout unless it is full: 0 returns what is fetched already.
        return [one for one in (first, *self._consumer.consume(records, 0)) if self._is_new(one)]

    def _is_new(self, message: Message) -> bool:
        # librdkafka asks for the group's coordinator although nothing joins.
        if is_about_the_group(message):
            return False
        topic, number, offset = place_of(message)
        partition = Partition(topic, number)
        try:
            is_end = is_partition_end(message)
        except KafkaException as error:
            self._denied = str(explain(error.args[0], self._servers))
            return False
        self._denied = self._errors.last = None
        if is_end:
            # Behind transaction markers, which take offsets too.
            self._next[partition] = max(offset, self._next.get(partition, 0))
            return False
        # Records that a reset of the offset repeats are no new ones.
        if offset < self._next.get(partition, 0):
            return False
        self._next[partition] = offset + 1
        return True

    def _ask(self) -> None:
        """Clears the last error once a broker answers: a quiet topic alone would never do so."""
        now = time.monotonic()
        if self._errors.last is not None and now - self._asked_s > ASK_S:
            self._asked_s = now
            last, self._errors.last = self._errors.last, None
            try:
                self._consumer.list_topics(timeout=_ANSWER_S)
            except KafkaException:
                self._errors.last = self._errors.last or last

    def trouble(self) -> str | None:
        """What keeps records from coming, and what to do; None where nothing does."""
        if self._denied is not None:
            return self._denied
        return None if self._errors.last is None else str(explain(self._errors.last, self._servers))
