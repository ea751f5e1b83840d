"""A topic as the archive reads it: offsets of partitions in, committed records out. It belongs to no group.

Only decided records are read (read_committed). Offsets are also taken by the markers of transactions, by aborted
records and by what compaction removed, so a span holds as many records as it has offsets, or fewer, or none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from shared.errors import KafkaUnreachable
from shared.kafka.admin import cluster_metadata, require_topics
from shared.kafka.client import client_config
from shared.kafka.errors import CONNECT_TIMEOUT_S, ClientErrors, explain, refused_configuration
from shared.kafka.message import headers_of, is_about_the_group, is_partition_end
from trainer.data.archive.parts import ArchivedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from shared.errors import SentimentError
    from shared.kafka.settings import KafkaSettings

POLL_RECORDS: Final = 500
POLL_S: Final = 1.0
SILENT_S: Final = 60.0
"""Without a record for this long, though some are left, the broker is taken for gone."""


@dataclass(frozen=True, slots=True)
class SpanRead:
    """All records of a partition from the beginning of its span up to `end`, not included, were given."""

    partition: int
    end: int


class ArchiveTopic:
    """One topic, used by one thread. Methods raise KafkaException and TimeoutError; `explained` says why."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        """Asks for the topic; raises an explained SentimentError."""
        self.topic = topic
        self._servers = kafka.bootstrap_servers
        self._errors = ClientErrors()
        ours: dict[str, str | int | float | bool] = {
            "group.id": f"sentiment-archive-{uuid4().hex}",  # demanded by the client, never joined
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 16_384,
        }
        try:
            self._admin = AdminClient(client_config(kafka, self._errors, {}))
            self._consumer = Consumer(client_config(kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Connects at the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the client."""
        self._consumer.close()

    def partitions(self) -> range:
        """The numbers of the partitions; raises an explained SentimentError."""
        metadata = cluster_metadata(self._consumer, self._errors, self._servers, self.topic)
        return range(require_topics(metadata, [self.topic])[self.topic])

    def id(self) -> str:
        """What tells the topic from one of the same name that was deleted before."""
        asked = self._admin.describe_topics(TopicCollection([self.topic]), request_timeout=CONNECT_TIMEOUT_S)
        return str(asked[self.topic].result().topic_id)

    def spans(self, partitions: range) -> dict[int, range]:
        """Of each partition, the offsets from its first record up to its last decided one, as of now."""
        return {
            partition: range(
                *self._consumer.get_watermark_offsets(
                    TopicPartition(self.topic, partition), timeout=CONNECT_TIMEOUT_S
                )
            )
            for partition in partitions
        }

    def at(self, spans: Mapping[int, range], moment_ms: int) -> dict[int, int]:
        """Of each partition, the offset of the first record of that time or later, or the end of its span."""
        asked = [TopicPartition(self.topic, partition, moment_ms) for partition in spans]
        answers = self._consumer.offsets_for_times(asked, timeout=CONNECT_TIMEOUT_S)
        # No record that late: the answer is negative and means the end.
        return {
            partition: answer.offset if answer.offset >= 0 else span.stop
            for (partition, span), answer in zip(spans.items(), answers, strict=True)
        }

    def read(self, spans: Mapping[int, range]) -> Iterator[ArchivedRecord | SpanRead]:
        """The records of one span of each partition, in order within each, and of each span that it was read."""
        left = {partition: span for partition, span in spans.items() if span}
        self._consumer.assign(
            [TopicPartition(self.topic, partition, span.start) for partition, span in left.items()]
        )
        heard = time.monotonic()
        while left:
            messages = self._consumer.consume(POLL_RECORDS, timeout=POLL_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_S:
                raise TimeoutError
            for message in messages:
                if is_about_the_group(message):
                    continue
                partition, offset = _where(message)
                span = left.get(partition)
                if span is None:
                    continue
                at_end = is_partition_end(message)
                if not at_end and offset in span:
                    yield _record(message)
                # The last offset of a span may hold no record: then the end of the partition ends the span, which
                # comes early where a transaction is open again, or a record behind the span does.
                if at_end or offset >= span.stop - 1:
                    del left[partition]
                    self._consumer.incremental_unassign([TopicPartition(self.topic, partition)])
                    yield SpanRead(partition, min(offset, span.stop) if at_end else span.stop)

    def explained(self, error: KafkaException | TimeoutError) -> SentimentError:
        """What an error of the other methods means."""
        if isinstance(error, KafkaException):
            rights = {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {self.topic}"}
            return explain(self._errors.last or error.args[0], self._servers, rights)
        if self._errors.last is not None:
            return explain(self._errors.last, self._servers)
        return KafkaUnreachable(
            f"Kafka at {self._servers} sent no record for {SILENT_S:.0f} s though some are left; "
            "run the command again to go on"
        )


def _where(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    return (-1 if partition is None else partition), (-1 if offset is None else offset)


def _record(message: Message) -> ArchivedRecord:
    kind, timestamp_ms = message.timestamp()
    partition, offset = _where(message)
    return ArchivedRecord(
        topic=str(message.topic()),
        partition=partition,
        offset=offset,
        timestamp_ms=None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=_bytes(message.key()),
        headers=headers_of(message) or (),  # those that the client cannot read are left out
        value=_bytes(message.value()),
    )


def _bytes(content: str | bytes | None) -> bytes | None:
    """As bytes: the client may hand out text, by its types, though a plain consumer never does."""
    return content.encode() if isinstance(content, str) else content
