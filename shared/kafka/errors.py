"""Explains errors of the client: which setting or right is wrong, and which errors no retry fixes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaException

CONNECT_TIMEOUT_S: Final = 10.0
"""Seconds without an answer after which a broker counts as unreachable."""
DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The broker denies a right: no retry fixes it."""

LOADING: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""A broker that has just started, or has become a group's coordinator, answers so for some seconds: ask again."""
_UNAUTHENTICATED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001
HOPELESS: Final = DENIED | _UNAUTHENTICATED | {KafkaError._SSL}  # noqa: SLF001
"""Errors that no retry fixes."""


_NO_ANSWER: Final = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001
"""Errors of a request that only say that no broker answered in time; the client's callback knows why."""


class ClientErrors:
    """librdkafka's error callback: remembers the last error for `explain`; called on the polling thread."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Keeps the most specific error: "all brokers down" never hides why."""
        specific = error.code() != KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - the client's public constants
        if specific or self.last is None:
            self.last = error

    def cause(self, error: KafkaError) -> KafkaError:
        """What to explain for a request that failed with `error`: that, or why no broker could be asked."""
        return self.last if self.last is not None and error.code() in _NO_ANSWER else error


def refused_configuration(error: KafkaException) -> SettingsError:
    """Explains why a client could not be built: a key that librdkafka does not know or a value it refuses."""
    return SettingsError(f"librdkafka refuses the configuration: {error.args[0].str()}")


def explain(error: KafkaError, servers: str, rights: Mapping[int, str] = MappingProxyType({})) -> SentimentError:
    """Turns a client error that no retry fixes into an error whose one line says what to do.

    `rights` maps an error code to the missing right: the client reports that a topic was denied, but seldom which
    topic or operation.
    """
    code = error.code()
    if code in _UNAUTHENTICATED:
        return KafkaRefused(
            f"Kafka at {servers} refuses the credentials; check kafka.sasl_username, its password and "
            "kafka.sasl_mechanism"
        )
    if code in DENIED:
        right = rights.get(code) or error.str()
        return KafkaRefused(f"Kafka denies {right}; ask the cluster's owner for this right")
    if code == KafkaError._SSL:  # noqa: SLF001
        return KafkaUnreachable(_no_tls(error.str(), servers))
    if code == KafkaError._RESOLVE:  # noqa: SLF001
        return KafkaUnreachable(f"the host name of Kafka at {servers} is unknown; check --bootstrap-servers")
    if code in _NO_ANSWER:
        return KafkaUnreachable(
            f"Kafka at {servers} does not answer within {CONNECT_TIMEOUT_S:.0f} s; "
            "check --bootstrap-servers, that the broker runs, and kafka.security_protocol"
        )
    if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return KafkaStateError(
            f"a topic does not exist: {error.str()}; create with: sentiment-consumer topics create"
        )
    return KafkaStateError(f"Kafka: {error.name()}: {error.str()}")


def is_denied(error: KafkaError | None) -> bool:
    """Whether the broker denies a right."""
    return error is not None and error.code() in DENIED


def _no_tls(reason: str, servers: str) -> str:
    # The client has the same message for a wrong authority and a wrong host name.
    if "certificate verify failed" in reason:
        return (
            f"no TLS connection to Kafka at {servers}: its certificate is not issued by the authority in "
            "kafka.ssl_ca_location, or not to the host name in --bootstrap-servers, or it has expired"
        )
    return f"no TLS connection to Kafka at {servers}: {reason}; check kafka.security_protocol and kafka.ssl_*"
