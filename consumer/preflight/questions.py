"""Questions to Kafka before the loop: topics, rights, and whether what is written is taken and kept."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    KafkaError,
    KafkaException,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from consumer.kafka.offsets import EMBEDDED
from consumer.preflight.acl import described, needed, require
from consumer.preflight.cluster_rules import cluster_problems
from consumer.preflight.first_records import FirstRecords, first_problems
from consumer.preflight.topic_config import Layout, Targets, TopicConfig
from consumer.preflight.topic_rules import topic_problems
from shared.errors import KafkaStateError
from shared.kafka.admin import REQUEST_S, cluster_metadata, require_topics
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.patterns import matches
from shared.kafka.reader import Partition, TopicReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka.admin import ClusterMetadata, ConfigEntry, TopicMetadata

    from consumer.preflight.problem import Problem
    from consumer.settings import ConsumerSettings

T = TypeVar("T")

PEEK_S: Final = 3.0
"""How long `check` waits for a first record of the input."""


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
        metadata = self._metadata()
        return f"{self._servers}: {len(metadata.brokers)} broker(s), cluster {metadata.cluster_id}"

    def partitions(self) -> dict[str, int]:
        """Counts the partitions of every topic, those that patterns match now included.

        Raises KafkaStateError for a missing one; that a pattern matches none is no error, see `unmatched`.
        """
        metadata = self._metadata()
        return require_topics(metadata, [*self._inputs(metadata), *self._written])

    def unmatched(self) -> list[str]:
        """The patterns that match no topic yet: a run waits for one."""
        there = self._metadata().topics
        return [pattern for pattern in self._patterns() if not self._matching(pattern, there)]

    def rights(self) -> str:
        """Asks for every right that a run needs; raises KafkaRefused that names those that are missing."""
        if self._is_embedded():
            return "the broker does not say"
        wanted = needed(self._settings)
        return described(wanted, require(wanted, self._admin, self._settings))

    def targets(self) -> Targets:
        """Asks for the configuration of the topics written to, as far as this user may know it."""
        names = self._written
        if self._is_embedded():
            return Targets(*map(TopicConfig, names))
        resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        answers = self._admin.describe_configs(list(resources.values()), request_timeout=REQUEST_S)
        return Targets(*(topic_config(name, answers[resources[name]]) for name in names))

    def topic_problems(self, targets: Targets) -> list[Problem]:
        """What the topics written to will do to results and letters; all topics exist, see `partitions`."""
        if self._is_embedded():
            return []
        metadata = self._metadata()
        layouts, inputs = (_layouts(metadata, names) for names in (self._written, self._inputs(metadata)))
        return topic_problems(targets, layouts, inputs, self._settings)

    def cluster_config(self) -> dict[str, str | None]:
        """The configuration of one broker; nothing where this user may not know it."""
        if self._is_embedded():
            return {}
        broker = ConfigResource(ResourceType.BROKER, str(min(self._metadata().brokers)))
        answers = self._admin.describe_configs([broker], request_timeout=REQUEST_S)
        return _config(answers[broker])

    def cluster_problems(self, config: Mapping[str, str | None]) -> list[Problem]:
        """What the brokers' own settings will do to a run."""
        metadata = self._metadata()
        return cluster_problems(
            len(metadata.brokers),
            metadata.topics,
            config,
            _layouts(metadata, self._written),
            self._settings,
        )

    def first_input(self) -> str:
        """Compares a first input record with the output topic; raises KafkaStateError where its result is lost."""
        output, first = self.targets().output, self._peek()
        if first is None:
            return "nothing to compare: no input record yet"
        problems = first_problems(output, first, own_time=self._settings.timestamps == "input")
        # No fault: such results are written, with the time of writing.
        replaced = problems.pop("timestamps_replaced", None)
        if problems:
            raise KafkaStateError("; ".join(problems.values()))
        return replaced or f"{output.name} takes and keeps what the first input record becomes"

    def create_topics(self, partitions: int | None, replication: int) -> list[str]:
        """Creates the topics that are missing; output and dead letters get as many partitions as the input."""
        metadata = self._metadata()
        inputs = self._inputs(metadata)
        names = [*inputs, *self._written]
        there = {name: len(metadata.topics[name].partitions) for name in names if name in metadata.topics}
        # The largest count: modulo this, no two partitions of one input share an output partition (decision 2).
        count = partitions or max((there[name] for name in inputs if name in there), default=4)
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

    @property
    def _written(self) -> list[str]:
        return [self._settings.output_topic, self._settings.dlq_topic]

    def _metadata(self) -> ClusterMetadata:
        return cluster_metadata(self._admin, self._errors, self._servers)

    def _is_embedded(self) -> bool:
        return str(self._metadata().cluster_id).startswith(EMBEDDED)

    def _patterns(self) -> list[str]:
        return [name for name in self._settings.input_topics if name.startswith("^")]

    def _inputs(self, metadata: ClusterMetadata) -> list[str]:
        """Names of the input topics: those given, and of each pattern those that it matches now."""
        given = [name for name in self._settings.input_topics if not name.startswith("^")]
        matched = (self._matching(pattern, metadata.topics) for pattern in self._patterns())
        return list(dict.fromkeys([*given, *chain.from_iterable(matched)]))

    def _matching(self, pattern: str, names: Iterable[str]) -> list[str]:
        ours = {self._settings.output_topic, self._settings.dlq_topic}
        return sorted(name for name in names if name not in ours and matches(pattern, name))

    def _peek(self) -> FirstRecords | None:
        """What a first record of the input shows, read without a group's commits; None where there is none."""
        metadata = self._metadata()
        counts = require_topics(metadata, self._inputs(metadata))
        if not counts:
            return None
        partitions = [Partition(name, number) for name, count in counts.items() for number in range(count)]
        with TopicReader(self._settings.kafka, "sentiment-check") as reader:
            message = reader.first(partitions, PEEK_S)
        if message is None:
            return None
        kind, timestamp_ms = message.timestamp()
        known = None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms
        return FirstRecords(known, keyless=message.key() is None)


def topic_config(name: str, answer: Future[dict[str, ConfigEntry]]) -> TopicConfig:
    """What a broker answered about a topic; nothing known where it did not, as asking takes a right of its own."""
    values = _config(answer)
    return TopicConfig.of(name, values) if values else TopicConfig(name)


def _config(answer: Future[dict[str, ConfigEntry]]) -> dict[str, str | None]:
    try:
        return {key: entry.value for key, entry in _answer(answer).items()}
    except (KafkaException, FutureTimeout):
        return {}


def _layouts(metadata: ClusterMetadata, names: Iterable[str]) -> dict[str, Layout]:
    return {name: _layout(metadata.topics[name]) for name in names}


def _layout(topic: TopicMetadata) -> Layout:
    partitions = topic.partitions.values()
    replicas, in_sync = ((len(one.replicas) for one in partitions), (len(one.isrs) for one in partitions))
    return Layout(len(partitions), min(replicas), min(in_sync))


def describe_topics(counts: Mapping[str, int], unmatched: Iterable[str]) -> str:
    """One line for the topics and their partitions, and for the patterns that match none."""
    waiting = [f"{pattern} matches no topic yet, run waits for one" for pattern in unmatched]
    return "; ".join([", ".join(f"{name} ({count})" for name, count in counts.items()), *waiting])


def _answer(future: Future[T]) -> T:
    # The client's own timeout comes first, and its error names a reason.
    return future.result(timeout=REQUEST_S + 5)
