"""Which rights a run needs, and which of them the broker denies; asked before anything is loaded.

READ and WRITE imply DESCRIBE, so a user with exactly these rights may also ask for them. No running member
notices anything of it, and no topic comes into being by being asked for.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation

from shared.errors import KafkaRefused
from shared.kafka.admin import REQUEST_S
from shared.kafka.client import client_config
from shared.kafka.errors import DENIED, LOADING, ClientErrors, explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

    from consumer.settings import ConsumerSettings

_RETRY_S: Final = 0.1
_IMPOSSIBLE_TIMEOUT_MS: Final = 2**31 - 1
"""The longest transaction timeout a client can ask for; brokers allow 15 minutes by default."""
_NOBODY: Final = ":check"
"""Ends a transactional id of the group that no instance can have, since its name holds no colon in an id."""
_TRANSACTIONAL: Final = "transactional id"

_UNTOLD: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001 - the client's public constants
    }
)
"""Answers that say nothing of rights; missing topics are for others to report."""


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource, as an ACL would grant it."""

    operation: AclOperation
    kind: str
    name: str

    def __str__(self) -> str:
        """For an error message: `READ on topic texts`."""
        return f"{self.operation.name} on {self.kind} {self.name}"


def needed(settings: ConsumerSettings) -> list[Right]:
    """All rights that `run` needs with these settings; topics of a pattern are not known yet."""
    inputs = [name for name in settings.input_topics if not name.startswith("^")]
    rights = [Right(AclOperation.READ, "topic", name) for name in inputs]
    rights += [Right(AclOperation.WRITE, "topic", name) for name in (settings.output_topic, settings.dlq_topic)]
    rights.append(Right(AclOperation.READ, "group", settings.group_id))
    if settings.delivery == "exactly-once":
        rights.append(Right(AclOperation.WRITE, _TRANSACTIONAL, settings.transactional_id))
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


def described(wanted: list[Right], granted: list[Right]) -> str:
    """The rights that the broker confirms, and which could not be asked for; one line."""
    named = ", ".join(map(str, granted)) or "the broker does not say"
    unasked = [right for right in wanted if right.kind == _TRANSACTIONAL and right not in granted]
    if not granted or not unasked:
        return named
    return (
        f"{named}; not asked, since that would fence a running member: {unasked[0]}, which run needs and no "
        "prefixed ACL grants (see docs/runbook.md)"
    )


def _ask(right: Right, admin: AdminClient, settings: ConsumerSettings) -> bool | None:
    """Whether a right is granted; None where the broker does not say."""
    if right.kind == "topic":
        return _granted(right, lambda: admin.describe_topics(TopicCollection([right.name]), **_question()))
    if right.kind == "group":
        return _granted(right, lambda: admin.describe_consumer_groups([right.name], **_question()))
    return _may_transact(settings)


def _question() -> dict[str, Any]:
    return {"include_authorized_operations": True, "request_timeout": REQUEST_S}


def _granted(right: Right, ask: Callable[[], dict[str, Future[Any]]]) -> bool | None:
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
            if code not in LOADING or time.monotonic() > deadline:
                raise
            # Right after the start of a broker its coordinators are still loading.
            time.sleep(_RETRY_S)
        else:
            return right.operation in operations if operations else None


def _may_transact(settings: ConsumerSettings) -> bool | None:
    """Whether a prefixed ACL lets the group's instances write under their transactional ids; None where none does.

    Kafka has no question for this right, so this begins a transaction. Under an id that no instance has, since
    that fences whoever works under it; so a literal ACL on the instance's own id cannot be seen. A broker checks
    the right first and refuses the timeout next, before it writes anything about the id.
    """
    silent = logging.getLogger("sentiment.probe")  # the client would call the refusal fatal on standard error
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    asked: dict[str, str | int | float | bool] = {
        "transactional.id": f"{settings.transactional_id_prefix}{_NOBODY}",
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
        if code in DENIED or code in _UNTOLD or error.args[0].retriable():
            return None
        raise
    # A broker with a large transaction.max.timeout.ms grants even this; under this id it fences nobody.
    return True
