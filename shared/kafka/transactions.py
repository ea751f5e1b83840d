"""Shared by all transactional producers: configuration, ending a transaction, and classes of errors."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException

from shared.kafka.client import RECONNECT_MS, client_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Producer

    from shared.kafka.errors import ClientErrors
    from shared.kafka.settings import KafkaSettings

log = structlog.get_logger()

RETRY_BACKOFF_MS: Final = 300
"""Every retry of a request waits at least 0.8 of this, so a commit that takes longer may have been sent twice.

Measured on Apache Kafka 4.3.1 behind a proxy that resets the connection: 60 repeated commits took 251 to 385 ms,
60 healthy ones 3 to 53. At 100 ms the two overlap, so users may not set this key.
"""
# Above the longest publish: limits.commit_timeout_s is at most 50 s.
TRANSACTION_TIMEOUT_MS: Final = 60_000
# It took 0.06 to 0.5 s (decision 9), and 1 to 4 s while a broker was down.
INIT_S: Final = 60.0
"""Seconds that a new transactional producer may take to end its predecessor's transaction."""
ABORT_S: Final = 5.0
"""Timeout of aborting a failed transaction; the next producer with the same id aborts it anyway."""

FENCED: Final = frozenset(
    {
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError._FENCED,  # noqa: SLF001 - the client's public constants
    }
)
"""Another producer with the same transactional id has started, or the transaction has timed out.

The client does not distinguish the two.
"""
REFUSED: Final = frozenset(
    {
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
"""The broker refuses the content of a record, and would refuse the same record again."""
PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001
"""The client dropped a record, and the record itself is not the cause."""
NO_TRANSACTIONS: Final = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})  # noqa: SLF001
"""The broker does not support transactions."""


def producer_config(
    kafka: KafkaSettings,
    errors: ClientErrors,
    *,
    client_id: str,
    transactional_id: str | None,
    timeout_s: float,
    max_record_bytes: int,
    max_batch_bytes: int | None = None,
) -> dict[str, Any]:
    """The configuration of an idempotent producer, transactional if it has a `transactional_id`.

    `timeout_s` is the time in which the broker must acknowledge a record. A topic's `max.message.bytes` limits a
    whole batch, so a batch has at most `max_batch_bytes`, or by default `max_record_bytes`.
    """
    ours: dict[str, str | int | float | bool] = {
        "client.id": client_id,
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 5,
        "delivery.report.only.error": True,
        "message.timeout.ms": int(timeout_s * 1000),
        "message.max.bytes": max_record_bytes + 65_536,
        "batch.size": max_batch_bytes or max_record_bytes,
        "retry.backoff.ms": RETRY_BACKOFF_MS,
        # Below the transaction's timeout, so that a request can be lost and repeated within one transaction.
        "socket.timeout.ms": 30_000,
        "reconnect.backoff.max.ms": RECONNECT_MS,
    }
    if transactional_id is not None:
        ours["transactional.id"] = transactional_id
        ours["transaction.timeout.ms"] = TRANSACTION_TIMEOUT_MS
    return client_config(kafka, errors, ours)


def repeat(call: Callable[[], None], limit_s: float) -> bool:
    """Calls until it succeeds, while errors are retriable; returns whether it retried. Raises KafkaException."""
    deadline = time.monotonic() + limit_s
    repeated = False
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            repeated = True
        else:
            return repeated


def end(call: Callable[[], None]) -> bool:
    """Commits or aborts a transaction by `call`; returns whether the request may have been sent twice.

    librdkafka uses the first version of the transaction protocol, in which a delayed request to end one
    transaction can end a later one. If this returns True, replace the producer: a new one increases the epoch,
    which fences off the delayed request. Raises KafkaException.
    """
    began = time.monotonic()
    repeated = repeat(call, TRANSACTION_TIMEOUT_MS / 1000)
    return repeated or (time.monotonic() - began) * 1000 >= 0.8 * RETRY_BACKOFF_MS


def abort(producer: Producer) -> None:
    """Tries to abort the open transaction within ABORT_S; never raises.

    If that fails, `init_transactions` of the next producer with the same id ends the transaction.
    """
    try:
        producer.abort_transaction(ABORT_S)
    # SystemError: confluent-kafka raises it where a delivery callback follows a fatal error.
    except (KafkaException, SystemError) as error:
        log.debug("abort_failed", error=str(error))


def drop(producer: Producer) -> None:
    """Drops queued records; otherwise closing would wait for a broker that may be gone."""
    # With a broker that was down, closing took 6.0 s (message.timeout.ms), after a purge 0.0 s.
    producer.purge()
    with contextlib.suppress(KafkaException, SystemError):
        producer.flush(0)
