"""Makes sure that a labels topic exists and keeps its labels: compacted, one partition. Calls block.

One partition, so that of two labels of a key the later one is known: with several, the partition of a key depends
on the partitioner of each program that writes, and changes when partitions are added.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from shared.errors import KafkaStateError, KafkaUnreachable
from shared.kafka.admin import REQUEST_S, cluster_metadata
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import ConfigEntry

    from shared.kafka.settings import KafkaSettings

T = TypeVar("T")

PARTITION: Final = 0
"""The only partition of a labels topic."""
COMPACT: Final = "compact"
_POLICY: Final = "cleanup.policy"
_VISIBLE_S: Final = 10.0
"""Seconds in which a topic that was just created has to be known to the broker that is asked."""


def ensure_topic(kafka: KafkaSettings, topic: str) -> None:
    """Creates the topic if it does not exist, and checks that it is compacted and has one partition.

    Raises an explained error that says what to do.
    """
    errors = ClientErrors()
    try:
        client = AdminClient(client_config(kafka, errors, {"client.id": "sentiment-labels"}))
    except KafkaException as error:
        raise refused_configuration(error) from None
    with client:
        # Says within seconds why no broker can be asked; an admin request only times out.
        cluster_metadata(client, errors, kafka.bootstrap_servers)
        _Topic(client, errors, kafka.bootstrap_servers, topic).ensure()


def refuse_other_layout(topic: str, partitions: int, policy: str | None) -> None:
    """Raises KafkaStateError for more than one partition, or a cleanup policy that is known and not `compact`."""
    if partitions != 1:
        raise KafkaStateError(
            f"topic {topic} has {partitions} partitions; a labels topic has one, so that of two labels of a key "
            "the later one is known; choose a name that does not exist, and the topic is created as it has to be"
        )
    if policy is not None and policy != COMPACT:
        raise KafkaStateError(
            f"topic {topic} has cleanup.policy={policy}, so Kafka would delete labels by age; run "
            f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config "
            "cleanup.policy=compact, or choose a name that does not exist, and the topic is created "
            "as it has to be"
        )


class _Topic:
    def __init__(self, client: AdminClient, errors: ClientErrors, servers: str, name: str) -> None:
        self._client = client
        self._errors = errors
        self._servers = servers
        self._name = name

    def ensure(self) -> None:
        partitions = self._partitions()
        if partitions is None:
            self._create()
            partitions = self._created()
        refuse_other_layout(self._name, partitions, self._policy())

    def _partitions(self) -> int | None:
        """The number of partitions; None if the topic does not exist. This request creates no topic."""
        asked = self._client.describe_topics(TopicCollection([self._name]), request_timeout=REQUEST_S)
        try:
            return len(_answer(asked[self._name]).partitions)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise self._explained(error, "DESCRIBE") from None

    def _create(self) -> None:
        wanted = NewTopic(self._name, num_partitions=1, config={_POLICY: COMPACT})
        try:
            _answer(self._client.create_topics([wanted], request_timeout=REQUEST_S)[self._name])
        except KafkaException as error:
            # Another process may have created it meanwhile; what it created is checked.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._explained(error, "CREATE") from None

    def _created(self) -> int:
        """The number of partitions, once the broker that is asked knows of them."""
        deadline = time.monotonic() + _VISIBLE_S
        while (partitions := self._partitions()) is None:
            if time.monotonic() > deadline:
                raise KafkaUnreachable(
                    f"topic {self._name} was created, but Kafka does not list it after {_VISIBLE_S:.0f} s; "
                    "try again"
                )
            time.sleep(0.05)
        return partitions

    def _policy(self) -> str | None:
        resource = ConfigResource(ResourceType.TOPIC, self._name)
        asked = self._client.describe_configs([resource], request_timeout=REQUEST_S)
        try:
            entries: dict[str, ConfigEntry] = _answer(asked[resource])
        except KafkaException as error:
            raise self._explained(error, "DESCRIBE_CONFIGS") from None
        return entries[_POLICY].value

    def _explained(self, error: KafkaException, operation: str) -> Exception:
        right = f"{operation} on topic {self._name}"
        rights = {KafkaError.TOPIC_AUTHORIZATION_FAILED: right, KafkaError.CLUSTER_AUTHORIZATION_FAILED: right}
        return explain(self._errors.cause(error.args[0]), self._servers, rights)


def _answer(future: Future[T]) -> T:
    # The client's own timeout comes first, and its error names a reason.
    return future.result(timeout=REQUEST_S + 5)
