"""A producer and what its errors mean: to be recovered from, the fault of one record, or the end."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.stream.records import PublishFailed
from shared.kafka.errors import DENIED, ClientErrors, explain, refused_configuration
from shared.kafka.transactions import FENCED, PURGED, REFUSED, drop, producer_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.settings import ConsumerSettings
    from consumer.stream.records import Outgoing

_FINAL: Final = DENIED | frozenset(
    {
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client's public constants
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    }
)
"""Errors of a delivery that a fresh producer would meet again: they end the process."""


class Sender:
    """A producer, the topics it writes to, and what became of the records of one publish."""

    def __init__(
        self,
        settings: ConsumerSettings,
        partitions: Mapping[str, int],
        *,
        transactional: bool,
        max_batch_bytes: int | None = None,
    ) -> None:
        """`max_batch_bytes`: what the topics take, where that is less than `limits.max_output_bytes`."""
        self._output_topic = settings.output_topic
        self._dlq_topic = settings.dlq_topic
        self._servers = settings.kafka.bootstrap_servers
        # Counted once: partitions added to an output topic are used from the next start on (decision 2).
        self._partitions = partitions
        written = f"WRITE on topic {settings.output_topic} or {settings.dlq_topic}"
        self._rights = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: written,
            # The error of an idempotent producer that may not write to any topic.
            KafkaError.CLUSTER_AUTHORIZATION_FAILED: written,
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ on group {settings.group_id}",
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
                f"WRITE on transactional id {settings.transactional_id}"
            ),
        }
        self.deadline_s = settings.limits.commit_timeout_s
        """How long the broker may take to acknowledge what was queued."""
        self._failures: list[KafkaError] = []
        self._errors = ClientErrors()
        self._config = producer_config(
            settings.kafka,
            self._errors,
            client_id="sentiment-consumer",
            transactional_id=settings.transactional_id if transactional else None,
            timeout_s=settings.limits.commit_timeout_s,
            max_record_bytes=settings.limits.max_output_bytes,
            # Else a topic with a small max.message.bytes refuses every batch.
            max_batch_bytes=max_batch_bytes,
        )
        self.producer = self._new()

    def send(self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing]) -> None:
        """Queues all, in order and the results first; waits while the client's own queue is full."""
        # One for the whole publish: the stall watchdog counts a full queue once.
        deadline = time.monotonic() + self.deadline_s
        for topic, records in ((self._output_topic, results), (self._dlq_topic, dead_letters)):
            for one in records:
                self._queue(topic, one, deadline)

    def flush(self) -> None:
        """Returns when the broker has acknowledged all that was queued; raises PublishFailed."""
        waiting = self._serve(lambda: self.producer.flush(self.deadline_s))
        # Failures first: they say why the other records are still waiting.
        if self._failures:
            raise self._ended(_cause(self._failures))
        if waiting:
            raise PublishFailed(f"{waiting} records were not acknowledged within {self.deadline_s:g} s")

    def replace(self) -> None:
        """Throws the producer away with all it holds and makes a new one."""
        self.close()
        self.producer = self._new()

    def abandon(self) -> None:
        """Leaves the producer, in which nothing may be queued, to a call that does not return; makes a new one."""
        self.producer = self._new()

    def close(self) -> None:
        """Drops what is queued; without that, closing would wait for a broker that may be gone."""
        drop(self.producer)

    def failed(self, error: KafkaError, read: Iterable[str] = ()) -> Exception:
        """What a failed call means: PublishFailed for the loop to recover from, or the end.

        `read` are the input topics that the call was about: to write their offsets takes the right to read.
        """
        topics = ", ".join(sorted(read))
        # Final for an output topic, but an input of a pattern may be deleted: the recovery drops its records.
        if topics and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return PublishFailed(f"{error.name()}: one of the topics {topics} was deleted")
        if topics:
            return self._ended(error, {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {topics}"})
        return self._ended(error)

    def _queue(self, topic: str, outgoing: Outgoing, deadline: float) -> None:
        record = outgoing.source
        while True:
            try:
                # Not `produce_batch`, which drops headers without an error (confluent-kafka 2.16).
                self.producer.produce(
                    topic,
                    value=outgoing.value,
                    key=record.key,
                    headers=list(outgoing.headers),
                    # Not by the key: librdkafka's partitioner is CRC32 and Java's murmur2 (decision 2).
                    partition=record.partition % self._partitions[topic],
                    timestamp=outgoing.timestamp_ms,
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._serve(lambda: self.producer.poll(0.05))
                if time.monotonic() > deadline:
                    raise PublishFailed("the producer's queue stayed full") from None
            except KafkaException as error:
                # `produce` sets none of the flags fatal, retriable and abortable, so only the code counts.
                raise self._ended(error.args[0]) from None
            else:
                return

    def _new(self) -> Producer:
        self._failures = []
        try:
            return Producer(self._config)
        except KafkaException as error:
            raise refused_configuration(error) from None

    def _serve(self, call: Callable[[], int]) -> int:
        """Runs a call that runs callbacks; the client raises out of it an error that is fatal to the producer.

        If a delivery callback follows that error, confluent-kafka 2.16 raises a SystemError instead.
        """
        try:
            return call()
        except KafkaException as error:
            raise self._ended(error.args[0]) from None
        except SystemError as error:
            if isinstance(error.__cause__, KafkaException):
                raise self._ended(error.__cause__.args[0]) from None
            raise PublishFailed("the producer failed for good") from None

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        """Notes a failed delivery; runs inside `poll` and `flush`, so it never raises."""
        if error is not None:
            self._failures.append(error)

    def _ended(self, error: KafkaError, rights: Mapping[int, str] = MappingProxyType({})) -> Exception:
        if error.code() in _FINAL:
            return explain(error, self._servers, {**self._rights, **rights})
        # Without transactions a broker that has lost its producer state may answer INVALID_PRODUCER_EPOCH, too.
        if error.code() in FENCED and (shared := self._config.get("transactional.id")):
            return PublishFailed(
                f"{error.name()}: another producer took the transactional id {shared} over (if this repeats, two "
                "processes share it: give each its own --instance-id)"
            )
        refused = error.name() if error.code() in REFUSED else None
        return PublishFailed(f"{error.name()}: {error.str()}", refused=refused)


def _cause(failures: Sequence[KafkaError]) -> KafkaError:
    """The failure that explains the others: what was only purged may be reported before what went wrong."""
    causes = [error for error in failures if error.code() not in PURGED] or failures
    return next((error for error in causes if error.code() in REFUSED | _FINAL), causes[0])
