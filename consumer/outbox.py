"""Kafka out: results, dead letters and the input's offsets, at least once or exactly once.

The loop cannot tell the two apart. Both write to the partition that follows from the input's, so the
order of every input partition is kept; both are replaced as a whole after any failure, because
librdkafka's producer cannot be trusted with messages of an aborted attempt still in its queues.
"""

from __future__ import annotations

import contextlib
import struct
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.records import PublishFailed
from consumer.source import next_offsets
from shared.errors import KafkaStateError, RecoveriesExhausted
from shared.kafka import DENIED, RECONNECT_MS, ClientErrors, client_config, explain, refused_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.records import Outgoing, Record
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

RETRY_BACKOFF_MS: Final = 300
"""Every retry of a request waits at least 0.8 of this, so a slower commit may have been sent twice.

Measured on Apache Kafka 4.3.1 behind a proxy that resets the connection: 60 repeated commits took 251 to 385 ms,
60 healthy ones 3 to 53. At 100 ms the two overlap, so the key is not the user's to set.
"""
TRANSACTION_TIMEOUT_MS: Final = 60_000
INIT_S: Final = 60.0
"""How long a new transactional producer may take to end its predecessor's transaction."""
START_S: Final = 30.0
"""The same for the first one of a process, which has somebody to say it to."""
ABORT_S: Final = 5.0
"""How long a failed transaction is given to be taken back in order; the next producer does it anyway."""

_METADATA_START: Final = b"CGMDv2:"
_FINAL: Final = DENIED | frozenset(
    {
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client's public constants
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    }
)
"""Errors of a delivery that a fresh producer would meet again: they end the process."""

_REFUSED: Final = frozenset(
    {
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
"""Answers of a broker to what stands in a record: that record would be refused for ever."""

_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001
_FENCED: Final = frozenset(
    {
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError._FENCED,  # noqa: SLF001
    }
)


class Sender:
    """A producer, the topics it writes to, and what became of the records of one publish."""

    def __init__(self, settings: ConsumerSettings, partitions: Mapping[str, int], *, transactional: bool) -> None:
        self.output_topic = settings.output_topic
        self.dlq_topic = settings.dlq_topic
        self._servers = settings.kafka.bootstrap_servers
        self._partitions = partitions
        written = f"WRITE on topic {settings.output_topic} or {settings.dlq_topic}"
        self._rights = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: written,
            # What an idempotent producer is told that may write to no topic at all.
            KafkaError.CLUSTER_AUTHORIZATION_FAILED: written,
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ on group {settings.group_id}",
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
                f"WRITE on transactional id {settings.transactional_id}"
            ),
        }
        self._deadline_s = settings.limits.publish_s
        self._failures: list[KafkaError] = []
        self._errors = ClientErrors()
        ours: dict[str, str | int | float | bool] = {
            "client.id": "sentiment-consumer",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.report.only.error": True,
            "message.timeout.ms": int(settings.limits.publish_s * 1000),
            "message.max.bytes": settings.limits.output_bytes + 65_536,
            # A topic's max.message.bytes bounds a whole batch, so a batch is no larger than one record may be.
            "batch.size": settings.limits.output_bytes,
            "retry.backoff.ms": RETRY_BACKOFF_MS,
            "socket.timeout.ms": 30_000,
            "reconnect.backoff.max.ms": RECONNECT_MS,
        }
        if transactional:
            ours["transactional.id"] = settings.transactional_id
            ours["transaction.timeout.ms"] = TRANSACTION_TIMEOUT_MS
        self._config = client_config(settings.kafka, self._errors, ours)
        self.producer = self._new()

    def send(self, topic: str, outgoing: Outgoing) -> None:
        """Queues one record; waits when the client's own queue is full."""
        deadline = time.monotonic() + self._deadline_s
        record = outgoing.source
        while True:
            try:
                self.producer.produce(
                    topic,
                    value=outgoing.value,
                    key=record.key,
                    headers=list(outgoing.headers),
                    partition=record.partition % self._partitions[topic],
                    timestamp=outgoing.timestamp_ms,
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._serve(lambda: self.producer.poll(0.05))
                if time.monotonic() > deadline:
                    raise PublishFailed("the producer's queue stayed full") from None
            except KafkaException as error:
                raise self._ended(error.args[0]) from None
            else:
                return

    def flush(self) -> None:
        """Returns when the broker has acknowledged all that was queued; raises PublishFailed."""
        waiting = self._serve(lambda: self.producer.flush(self._deadline_s))
        if self._failures:
            raise self._ended(_cause(self._failures))
        if waiting:
            raise PublishFailed(f"{waiting} records were not acknowledged within {self._deadline_s:g} s")

    def replace(self) -> None:
        """Throws the producer away with all it holds and makes a new one."""
        self.close()
        self.producer = self._new()

    def close(self) -> None:
        """Drops what is queued; without that, closing would wait for a broker that may be gone."""
        self.producer.purge()
        with contextlib.suppress(KafkaException, SystemError):
            self.producer.flush(0)

    def failed(self, error: KafkaError, read: Iterable[str] = ()) -> Exception:
        """What a failed call means: PublishFailed for the loop to recover from, or the end.

        `read` are the input topics that the call was about: to write their offsets takes the right to read.
        """
        if topics := ", ".join(sorted(read)):
            return self._ended(error, {KafkaError.TOPIC_AUTHORIZATION_FAILED: f"READ on topic {topics}"})
        return self._ended(error)

    def _new(self) -> Producer:
        self._failures = []
        try:
            return Producer(self._config)
        except KafkaException as error:
            raise refused_configuration(error) from None

    def _serve(self, call: Callable[[], int]) -> int:
        """Runs a call that runs callbacks, out of which the client raises an error that is fatal to it.

        Where a delivery callback follows that error, confluent-kafka 2.16 spoils it into a SystemError.
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
        if error.code() in _FENCED:
            return PublishFailed(
                f"{error.name()}: another producer took the transactional id {self._config['transactional.id']} "
                "over (if this repeats, two processes share it: give each its own --replica)"
            )
        refused = error.name() if error.code() in _REFUSED else None
        return PublishFailed(f"{error.name()}: {error.str()}", refused=refused)


class AtLeastOnceOutbox:
    """Idempotent producer, then a synchronous commit: a crash in between repeats, with equal ids."""

    def __init__(self, sender: Sender, commit: Callable[[Sequence[Record]], None]) -> None:
        self._sender = sender
        self._commit = commit

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], consumed: Sequence[Record]
    ) -> None:
        """Writes all, waits for the acknowledgements, then commits; raises PublishFailed."""
        _send_all(self._sender, results, dead_letters)
        self._sender.flush()
        self._commit(consumed)

    def reset(self) -> None:
        """Replaces the producer."""
        self._sender.replace()

    def close(self) -> None:
        """Drops what is unfinished."""
        self._sender.close()


class ExactlyOnceOutbox:
    """Results, dead letters and offsets in one transaction per publish.

    The producer is replaced after any failure and after any suspiciously slow commit: librdkafka speaks
    the first version of the transaction protocol, in which a delayed request to end one transaction can
    end a later one. A new producer raises the epoch, which shuts such stragglers out.
    """

    def __init__(self, sender: Sender, group_metadata: Callable[[], Any]) -> None:
        self._sender = sender
        self._group_metadata = group_metadata
        self._suspect = False
        try:
            self._begin(START_S)
        except PublishFailed as failure:
            raise RecoveriesExhausted(
                f"no transaction can be begun ({failure}); exactly-once needs Kafka's transaction coordinator: is "
                "transaction.state.log.replication.factor above the number of brokers? Start again, or run with "
                "--delivery at-least-once"
            ) from None

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], consumed: Sequence[Record]
    ) -> None:
        """Writes all and the offsets in one transaction; raises PublishFailed when it must be taken back."""
        if self._suspect:
            self.reset()
        producer = self._sender.producer
        try:
            producer.begin_transaction()
            self._write(results, dead_letters)
            self._send_offsets(consumed)
            began = time.monotonic()
            retried = self._retry(producer.commit_transaction)
            self._suspect = retried or (time.monotonic() - began) * 1000 >= 0.8 * RETRY_BACKOFF_MS
        except KafkaException as error:
            raise self._sender.failed(error.args[0]) from None

    def _write(self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing]) -> None:
        try:
            _send_all(self._sender, results, dead_letters)
            self._sender.flush()
        except PublishFailed as failure:
            raise self._reason(failure) from None

    def _reason(self, failure: PublishFailed) -> Exception:
        """Why a transaction failed whose records say no more than that they were purged.

        Where the broker denies a topic only the transaction knows. Beginning another within it is never
        allowed, changes nothing, and is answered with what has broken it.
        """
        try:
            self._sender.producer.begin_transaction()
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                return self._sender.failed(error.args[0])
        return failure

    def _send_offsets(self, consumed: Sequence[Record]) -> None:
        metadata = require_membership(self._group_metadata())
        producer, offsets = self._sender.producer, next_offsets(consumed)
        try:
            self._retry(lambda: producer.send_offsets_to_transaction(offsets, metadata))
        except KafkaException as error:
            raise self._sender.failed(error.args[0], {offset.topic for offset in offsets}) from None

    def reset(self) -> None:
        """Takes back the open transaction, if there is one, and begins with a new producer."""
        try:
            self._sender.producer.abort_transaction(ABORT_S)
        except (KafkaException, SystemError) as error:
            # Whatever it says, the new producer's init_transactions decides the transaction's fate.
            log.debug("abort_failed", error=str(error))
        self._sender.replace()
        self._begin(INIT_S)

    def close(self) -> None:
        """Leaves an unfinished transaction to the next producer of this id, which takes it back."""
        self._sender.close()

    def _begin(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._sender.producer.init_transactions(10)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() in {KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}:  # noqa: SLF001
                    raise KafkaStateError(
                        "this Kafka has no transactions; run with --delivery at-least-once"
                    ) from None
                if not reason.retriable() or time.monotonic() > deadline:
                    raise self._sender.failed(reason) from None
            else:
                self._suspect = False
                return

    def _retry(self, call: Callable[[], None]) -> bool:
        """Repeats a call while the client says that it may; tells whether it had to."""
        deadline = time.monotonic() + TRANSACTION_TIMEOUT_MS / 1000
        retried = False
        while True:
            try:
                call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                retried = True
            else:
                return retried


def require_membership(metadata: Any) -> Any:
    """Refuses the metadata of a consumer that is not a member now: the broker would not fence it."""
    raw = bytes(metadata)
    if not raw.startswith(_METADATA_START):
        raise KafkaStateError("this version of confluent-kafka writes group metadata in an unknown form")
    (generation,) = struct.unpack_from("=i", raw, len(_METADATA_START))
    _group, member, _rest = raw[len(_METADATA_START) + 4 :].split(b"\0", 2)
    if generation < 0 or not member:
        raise PublishFailed("this consumer is between two memberships of its group")
    return metadata


def _cause(failures: Sequence[KafkaError]) -> KafkaError:
    """The failure that explains the others: what was only purged may be reported before what went wrong."""
    told = [error for error in failures if error.code() not in _PURGED] or failures
    return next((error for error in told if error.code() in _REFUSED | _FINAL), told[0])


def _send_all(sender: Sender, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing]) -> None:
    for outgoing in results:
        sender.send(sender.output_topic, outgoing)
    for outgoing in dead_letters:
        sender.send(sender.dlq_topic, outgoing)
