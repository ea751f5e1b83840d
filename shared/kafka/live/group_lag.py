"""How far a consumer group is behind, asked from outside of it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared.errors import KafkaStateError
from shared.kafka.admin import REQUEST_S
from shared.kafka.client import client_config
from shared.kafka.errors import LOADING, ClientErrors, explain, refused_configuration
from shared.kafka.reader import Partition, without_group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.kafka.reader import TopicReader
    from shared.kafka.settings import KafkaSettings

RETRY_S: Final = 0.1
AHEAD_KIB: Final = 64
"""The client fetches nothing; librdkafka wants a bound all the same."""


class GroupLag:
    """Asks for the commits of a group. For one thread.

    With a consumer that has the group's name and never joins: `list_consumer_group_offsets` of an admin client
    ends the process (SIGSEGV) when a broker answers that it is not the group's coordinator, as one that has just
    started does (librdkafka 2.16, its issue 5040).
    """

    def __init__(self, kafka: KafkaSettings, group: str, name: str) -> None:
        """`name` is the client id. Raises SettingsError for a configuration that librdkafka refuses."""
        self._servers = kafka.bootstrap_servers
        self._group = group
        self._errors = ClientErrors()
        ours = without_group(name, AHEAD_KIB) | {"group.id": group}
        try:
            self._consumer = Consumer(client_config(kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def close(self) -> None:
        """Closes the connections; the group notices nothing."""
        self._consumer.close()

    def lags(self, reader: TopicReader, topics: Iterable[str]) -> dict[Partition, int]:
        """Records between the commit and the end of each partition of topics that the group has committed.

        The end is that of committed records, so an idle transactional topic has 0. A topic that does not exist any
        more has no lag. Raises an explained error.
        """
        counts: dict[str, int] = {}
        for topic in topics:
            with suppress(KafkaStateError):
                counts |= reader.partitions_of([topic])
        asked = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
        found = self._committed(asked) if asked else []
        commits = {Partition(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
        spans = reader.spans(commits)
        return {partition: max(0, spans[partition].stop - offset) for partition, offset in commits.items()}

    def _committed(self, asked: list[TopicPartition]) -> list[TopicPartition]:
        """The commits. While a coordinator loads, librdkafka can give up before its timeout: it is asked again."""
        deadline = time.monotonic() + REQUEST_S
        while True:
            try:
                found = self._consumer.committed(asked, timeout=REQUEST_S)
                failed = next((one.error for one in found if one.error is not None), None)
            except KafkaException as error:
                failed = error.args[0]
            if failed is None:
                return found
            if failed.code() not in LOADING or time.monotonic() >= deadline:
                raise explain(self._errors.cause(failed), self._servers)
            time.sleep(RETRY_S)
