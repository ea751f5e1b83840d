"""How far a consumer group is behind, asked from outside of it."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from shared.kafka.admin import REQUEST_S
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.reader import Partition

if TYPE_CHECKING:
    from shared.kafka.reader import TopicReader
    from shared.kafka.settings import KafkaSettings


class GroupLag:
    """Asks for the commits of a group. For one thread."""

    def __init__(self, kafka: KafkaSettings, group: str, name: str) -> None:
        """`name` is the client id. Raises SettingsError for a configuration that librdkafka refuses."""
        self._servers = kafka.bootstrap_servers
        self._group = group
        self._errors = ClientErrors()
        try:
            self._admin = AdminClient(client_config(kafka, self._errors, {"client.id": name}))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def lags(self, reader: TopicReader) -> dict[Partition, int]:
        """Records between the commit and the end of each partition that the group has committed.

        The end is that of committed records, so an idle transactional topic has 0. Raises an explained error.
        """
        asked = [ConsumerGroupTopicPartitions(self._group)]
        futures = self._admin.list_consumer_group_offsets(asked, request_timeout=REQUEST_S)
        try:
            found = futures[self._group].result(timeout=REQUEST_S + 5)
        except KafkaException as error:
            raise explain(self._errors.cause(error.args[0]), self._servers) from None
        except FutureTimeout:
            raise TimeoutError(f"no commits of the group {self._group} within {REQUEST_S:g} s") from None
        commits = {
            Partition(one.topic, one.partition): one.offset
            for one in found.topic_partitions or ()
            if one.offset >= 0
        }
        spans = reader.spans(commits)
        return {partition: max(0, spans[partition].stop - offset) for partition, offset in commits.items()}
