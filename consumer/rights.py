"""Which rights a run needs, and which of them the broker denies; asked before anything is loaded.

READ and WRITE imply DESCRIBE, so a user with exactly these rights may also ask for them. Nothing here
changes anything on the broker, and no topic comes into being by being asked for.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation

from shared.errors import KafkaRefused
from shared.kafka import DENIED, ClientErrors, client_config, explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

    from consumer.settings import ConsumerSettings

REQUEST_S: Final = 10.0
_RETRY_S: Final = 0.1
_IMPOSSIBLE_TIMEOUT_MS: Final = 2**31 - 1
"""The longest transaction timeout a client can ask for; brokers allow 15 minutes unless told otherwise."""

_UNTOLD: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001 - the client's public constants
    }
)
"""Answers that say nothing of rights; missing topics are for others to report."""
_LOADING: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource, as an ACL would grant it."""

    operation: AclOperation
    kind: str
    name: str

    def __str__(self) -> str:
        """As a person reads it: `READ on topic texts`."""
        return f"{self.operation.name} on {self.kind} {self.name}"


def needed(settings: ConsumerSettings) -> list[Right]:
    """All rights that `run` needs with these settings; topics that a pattern stands for are not known yet."""
    inputs = [name for name in settings.input_topics if not name.startswith("^")]
    rights = [Right(AclOperation.READ, "topic", name) for name in inputs]
    rights += [Right(AclOperation.WRITE, "topic", name) for name in (settings.output_topic, settings.dlq_topic)]
    rights.append(Right(AclOperation.READ, "group", settings.group_id))
    if settings.delivery == "exactly-once":
        rights.append(Right(AclOperation.WRITE, "transactional id", settings.transactional_id))
    return rights


def require(rights: list[Right], admin: AdminClient, settings: ConsumerSettings) -> list[Right]:
    """Asks for every right; returns those that the broker confirms, and raises KafkaRefused for the missing.

    A broker that cannot answer, as old ones, confirms nothing and denies nothing.
    """
    try:
        answers = {right: _ask(right, admin, settings) for right in rights}
    except KafkaException as error:
        raise explain(error.args[0], settings.kafka.bootstrap_servers) from None
    if missing := [str(right) for right, allowed in answers.items() if allowed is False]:
        user = f" for user {settings.kafka.sasl_username}" if settings.kafka.sasl_username else ""
        raise KafkaRefused(f"missing: {', '.join(missing)}; ask the cluster's owner for these rights{user}")
    return [right for right, allowed in answers.items() if allowed]


def _ask(right: Right, admin: AdminClient, settings: ConsumerSettings) -> bool | None:
    """Whether a right is granted; None where the broker does not tell."""
    if right.kind == "topic":
        return _told(right, lambda: admin.describe_topics(TopicCollection([right.name]), **_question()))
    if right.kind == "group":
        return _told(right, lambda: admin.describe_consumer_groups([right.name], **_question()))
    return _may_transact(settings)


def _question() -> dict[str, Any]:
    return {"include_authorized_operations": True, "request_timeout": REQUEST_S}


def _told(right: Right, ask: Callable[[], dict[str, Future[Any]]]) -> bool | None:
    deadline = time.monotonic() + REQUEST_S
    while True:
        try:
            operations = ask()[right.name].result(timeout=REQUEST_S + 5).authorized_operations
        except KafkaException as error:
            code = error.args[0].code()
            if code in DENIED:
                return False
            if code in _UNTOLD:
                return None
            if code not in _LOADING or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return right.operation in operations if operations else None


def _may_transact(settings: ConsumerSettings) -> bool | None:
    """Begins a transaction that no broker grants, since Kafka has no question for this right.

    A broker checks the right first and the timeout next, before it touches the state of the id: a member
    that works under this id now is not disturbed. One that allows timeouts of 24 days would fence it, once.
    """
    silent = logging.getLogger("sentiment.probe")  # the client would call the refusal fatal on standard error
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    asked: dict[str, str | int | float | bool] = {
        "transactional.id": settings.transactional_id,
        "transaction.timeout.ms": _IMPOSSIBLE_TIMEOUT_MS,
        "client.id": "sentiment-check",
    }
    producer = Producer({**client_config(settings.kafka, ClientErrors(), asked), "logger": silent})
    try:
        producer.init_transactions(REQUEST_S)
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
            return True
        if code in DENIED:
            return False
        if code in _UNTOLD or error.args[0].retriable():
            return None
        raise
    return True
