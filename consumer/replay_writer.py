"""Writes what a replay sends: inputs and their receipts in one transaction, by one process at a time."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from consumer.dead_letters import receipt_of
from consumer.outbox import INIT_S
from consumer.sender import TRANSACTION_TIMEOUT_MS
from shared.errors import KafkaStateError, RecoveriesExhausted, SentimentError
from shared.kafka import ClientErrors, client_config, explain, refused_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka import Message

    from consumer.dead_letters import Letter
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

RETRY_BACKOFF_MS: Final = 1000
"""Every retry of a request waits at least 0.8 of this, so a slower commit may have been sent twice."""

_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - the client's public constants
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
_PURGED: Final = frozenset({KafkaError._PURGE_INFLIGHT, KafkaError._PURGE_QUEUE})  # noqa: SLF001
_PASSING: Final = _PURGED | {KafkaError._MSG_TIMED_OUT}  # noqa: SLF001
_NO_TRANSACTIONS: Final = frozenset(
    {KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE}  # noqa: SLF001
)


class TransactionalWriter:
    """A transactional producer; entering takes over from any other replay, leaving drops what is unfinished."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self.suspect = False
        """Whether the last commit may have been sent twice."""
        self._dlq_topic = settings.dlq_topic
        self._id = f"sentiment-dlq-replay-{settings.dlq_topic}"
        self._servers = settings.kafka.bootstrap_servers
        self._deadline_s = settings.limits.commit_timeout_s
        self._failures: list[tuple[KafkaError, Letter]] = []
        self._errors = ClientErrors()
        ours: dict[str, str | int | float | bool] = {
            "client.id": "sentiment-dlq-replay",
            "transactional.id": self._id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.report.only.error": True,
            "message.timeout.ms": int(settings.limits.commit_timeout_s * 1000),
            "message.max.bytes": settings.limits.max_output_bytes + 65_536,
            "retry.backoff.ms": RETRY_BACKOFF_MS,
            "socket.timeout.ms": 30_000,
        }
        try:
            self._producer = Producer(client_config(settings.kafka, self._errors, ours))
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Ends the transaction of whoever wrote before, and shuts it out."""
        try:
            self._retry(lambda: self._producer.init_transactions(10), INIT_S)
        except KafkaException as error:
            self._producer.purge()
            if error.args[0].code() in _NO_TRANSACTIONS:
                raise KafkaStateError("this Kafka has no transactions; a replay needs them") from None
            raise self._ended(error.args[0]) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Takes an unfinished transaction back, for which readers of the target would wait otherwise."""
        if kind is not None:
            try:
                self._producer.abort_transaction(5)
            except (KafkaException, SystemError) as error:
                # Whatever it says, the next replay's init_transactions decides the transaction's fate.
                log.debug("abort_failed", error=str(error))
        self._producer.purge()  # spares waiting for a broker that may be gone
        with contextlib.suppress(KafkaException, SystemError):
            self._producer.flush(0)

    def write(self, letters: Iterable[tuple[Letter, str]], partitions: Mapping[str, int]) -> None:
        """Writes letters' inputs to their topics, and the receipts, all or none; raises an explained error."""
        try:
            self._producer.begin_transaction()
            for letter, target in letters:
                self._write(letter, target, partitions)
            waiting = self._producer.flush(self._deadline_s)
            if self._failures:
                raise self._undelivered(*self._cause())
            if waiting:
                raise _stopped(f"{waiting} records were not acknowledged within {self._deadline_s:g} s")
            began = time.monotonic()
            retried = self._retry(self._producer.commit_transaction, TRANSACTION_TIMEOUT_MS / 1000)
            self.suspect = retried or (time.monotonic() - began) * 1000 >= 0.8 * RETRY_BACKOFF_MS
        except KafkaException as error:
            raise self._ended(error.args[0]) from None
        except SystemError:  # what confluent-kafka 2.16 makes of an error that is fatal to the producer
            raise _stopped("the producer failed for good") from None

    def _write(self, letter: Letter, target: str, partitions: Mapping[str, int]) -> None:
        place, origin = letter.envelope.place, letter.envelope.origin
        self._queue(
            letter,
            topic=target,
            partition=origin.partition % partitions[target],
            key=letter.key,
            value=letter.value,
            headers=list(letter.headers),
            timestamp=origin.timestamp_ms or 0,
        )
        key, headers = receipt_of(place, target)
        self._queue(
            letter, topic=self._dlq_topic, partition=place.partition, key=key, value=b"", headers=list(headers)
        )

    def _queue(self, letter: Letter, **record: Any) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                self._failures.append((error, letter))

        deadline = time.monotonic() + self._deadline_s
        while True:
            try:
                self._producer.produce(**record, on_delivery=delivered)
            except BufferError:
                if time.monotonic() > deadline:
                    raise _stopped("the producer's queue stayed full") from None
                self._producer.poll(0.05)
            except KafkaException as error:
                raise self._undelivered(error.args[0], letter) from None
            else:
                return

    def _retry(self, call: Callable[[], None], limit_s: float) -> bool:
        """Repeats a call while the client says that it may; tells whether it had to."""
        deadline = time.monotonic() + limit_s
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

    def _cause(self) -> tuple[KafkaError, Letter]:
        """The failure behind all others: what the client purged after it says nothing.

        A broker refuses whole batches, so the largest letter is the likely cause.
        """
        causes = [failed for failed in self._failures if failed[0].code() not in _PURGED] or self._failures
        return max(causes, key=lambda failed: failed[1].size)

    def _undelivered(self, error: KafkaError, letter: Letter) -> SentimentError:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return _stopped(
                f"records are refused as too large, the largest is that of the letter {letter.envelope.place} "
                f"with {letter.size} bytes; raise max.message.bytes of the target (it holds for batches too: "
                "batch.size in kafka.properties) or SENTIMENT_LIMITS__MAX_OUTPUT_BYTES"
            )
        return self._ended(error)

    def _ended(self, error: KafkaError) -> SentimentError:
        if error.code() in _FENCED:
            return KafkaStateError(
                f"another replay of {self._dlq_topic} has taken over, or this one stood still for "
                f"{TRANSACTION_TIMEOUT_MS // 1000} s; what it replayed has its receipts, the rest is the other's"
            )
        if error.retriable() or error.txn_requires_abort() or error.code() in _PASSING:
            return _stopped(f"{error.name()}: {error.str()}")
        rights = {
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: f"WRITE on transactional id {self._id}",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"WRITE on {self._dlq_topic} or a topic that is replayed to",
        }
        return explain(error, self._servers, rights)


def _stopped(why: str) -> RecoveriesExhausted:
    return RecoveriesExhausted(
        f"the replay stopped: {why}; letters replayed before have their receipts, the same command does the rest"
    )
