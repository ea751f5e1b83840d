"""Questions to Kafka before the loop: topics, rights, and whether what is written will stay."""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigEntry, ConfigResource, NewTopic, ResourceType

from consumer.rights import described, needed, require
from shared.errors import KafkaStateError
from shared.kafka import (
    ClientErrors,
    client_config,
    cluster_metadata,
    explain,
    refused_configuration,
    require_topics,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.records import Record
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()
T = TypeVar("T")

REQUEST_S: Final = 10.0
PEEK_S: Final = 3.0
"""How long `check` waits for a first record of the input."""
_EMBEDDED: Final = "mockCluster"
"""How librdkafka's embedded brokers call themselves; they never answer a question for rights."""
_DAY_MS: Final = 86_400_000


class Preflight:
    """An admin client and what it can tell about one configuration."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        self._servers = settings.kafka.bootstrap_servers
        self._errors = ClientErrors()
        try:
            self._admin = AdminClient(
                client_config(settings.kafka, self._errors, {"client.id": "sentiment-check"})
            )
        except KafkaException as error:
            raise refused_configuration(error) from None

    def broker(self) -> str:
        """Describes the cluster; raises KafkaUnreachable or KafkaRefused."""
        metadata = cluster_metadata(self._admin, self._errors, self._servers)
        return f"{self._servers}: {len(metadata.brokers)} broker(s), cluster {metadata.cluster_id}"

    def partitions(self) -> dict[str, int]:
        """Counts the partitions of every topic but patterns; raises KafkaStateError for a missing one."""
        metadata = cluster_metadata(self._admin, self._errors, self._servers)
        return require_topics(metadata, [*self._inputs(), self._settings.output_topic, self._settings.dlq_topic])

    def rights(self) -> str:
        """Asks for every right that a run needs; raises KafkaRefused that names those that are missing."""
        metadata = cluster_metadata(self._admin, self._errors, self._servers)
        if str(metadata.cluster_id).startswith(_EMBEDDED):
            return "not told by this broker"
        wanted = needed(self._settings)
        return described(wanted, require(wanted, self._admin, self._settings))

    def output_config(self) -> Future[dict[str, ConfigEntry]]:
        """Asks for the output topic's configuration; the answer may fail, and embedded brokers give none."""
        resource = ConfigResource(ResourceType.TOPIC, self._settings.output_topic)
        (future,) = self._admin.describe_configs([resource], request_timeout=REQUEST_S).values()
        return future

    def retention(self) -> str:
        """Compares the output's retention with the age of a first input record; raises KafkaStateError."""
        retention_ms = retention_of(self.output_config())
        oldest = self._peek_timestamp_ms()
        if retention_ms is None or oldest is None:
            return "nothing to compare: no retention by time, none told to this user, or no input record yet"
        problem = retention_problem(self._settings.output_topic, retention_ms, oldest)
        if problem and self._settings.timestamps == "input":
            raise KafkaStateError(problem)
        return (
            f"{self._settings.output_topic} keeps {_days(retention_ms)}, longer than the first input record is old"
        )

    def create_topics(self, partitions: int | None, replication: int) -> list[str]:
        """Creates the topics that are missing; output and dead letters get as many partitions as the input."""
        metadata = cluster_metadata(self._admin, self._errors, self._servers)
        names = [*self._inputs(), self._settings.output_topic, self._settings.dlq_topic]
        there = {name: len(metadata.topics[name].partitions) for name in names if name in metadata.topics}
        count = partitions or max((there[name] for name in self._inputs() if name in there), default=4)
        lines = [f"{name}: exists, {there[name]} partitions" for name in names if name in there]
        missing = [NewTopic(name, count, replication) for name in names if name not in there]
        futures = self._admin.create_topics(missing, request_timeout=REQUEST_S) if missing else {}
        for name, future in futures.items():
            try:
                _answer(future)
            except KafkaException as error:
                right = {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"CREATE on topic {name}"}
                raise explain(error.args[0], self._servers, right) from None
            lines.append(f"{name}: created, {count} partitions")
        return lines

    def _inputs(self) -> list[str]:
        return [name for name in self._settings.input_topics if not name.startswith("^")]

    def _peek_timestamp_ms(self) -> int | None:
        """Timestamp of one first record of the input, read without a group's commits."""
        ours: dict[str, str | int | float | bool] = {
            "group.id": f"sentiment-check-{uuid4()}",
            "enable.auto.commit": False,
            "client.id": "sentiment-check",
        }
        consumer = Consumer(client_config(self._settings.kafka, self._errors, ours))
        try:
            counts = require_topics(consumer.list_topics(timeout=REQUEST_S), self._inputs())
            consumer.assign(
                [TopicPartition(name, p, OFFSET_BEGINNING) for name, count in counts.items() for p in range(count)]
            )
            deadline = time.monotonic() + PEEK_S
            while time.monotonic() < deadline:
                message = consumer.poll(PEEK_S)
                # The client complains that it may not join the group, which this does not do.
                if message is not None and message.error() is None:
                    return message.timestamp()[1]
            return None
        finally:
            consumer.close()


class RetentionWatch:
    """Warns once, at the first records read, when the output topic would delete what they become."""

    def __init__(self, topic: str, config: Future[dict[str, ConfigEntry]]) -> None:
        self._topic = topic
        self._config: Future[dict[str, ConfigEntry]] | None = config
        self._oldest_ms: int | None = None

    def __call__(self, records: Sequence[Record]) -> None:
        """Looks at the records read until the topic's configuration is known."""
        if self._config is None:
            return
        stamps = [record.timestamp_ms for record in records if record.timestamp_ms is not None]
        self._oldest_ms = min([*stamps, *([] if self._oldest_ms is None else [self._oldest_ms])], default=None)
        if not self._config.done() or self._oldest_ms is None:
            return
        retention_ms, self._config = retention_of(self._config), None
        problem = retention_ms is not None and retention_problem(self._topic, retention_ms, self._oldest_ms)
        if problem:
            log.warning("results_will_expire", problem=problem)


def retention_of(config: Future[dict[str, ConfigEntry]]) -> int | None:
    """How long a topic keeps a record by the record's timestamp, in milliseconds.

    None where it is for ever, where the broker stamps records itself, or where it does not tell: asking
    needs a right of its own.
    """
    try:
        entries = _answer(config)
    except (KafkaException, FutureTimeout):
        return None
    retention_ms = int(entries["retention.ms"].value or -1)
    return retention_ms if retention_ms >= 0 and entries["message.timestamp.type"].value == "CreateTime" else None


def retention_problem(topic: str, retention_ms: int, oldest_ms: int) -> str | None:
    """Says what is wrong when a record of that time is older than a topic keeps records; None if all is well.

    A broker deletes by record timestamp: a result that carries an old input's timestamp is acknowledged
    and gone within minutes.
    """
    age_ms = int(time.time() * 1000) - oldest_ms
    if age_ms <= retention_ms:
        return None
    return (
        f"{topic} keeps records for {_days(retention_ms)}, but the input read first is {_days(age_ms)} old: "
        f"results with its timestamp are deleted soon after they are written; raise retention.ms of "
        f"{topic}, or run with --timestamps now"
    )


def describe_partitions(counts: Mapping[str, int]) -> str:
    """One line for the topics and their partitions."""
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _days(milliseconds: int) -> str:
    days = milliseconds / _DAY_MS
    return f"{days:.0f} days" if days >= 2 else f"{milliseconds / 3_600_000:.1f} hours"  # noqa: PLR2004


def _answer(future: Future[T]) -> T:
    return future.result(timeout=REQUEST_S + 5)
