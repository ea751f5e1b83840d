"""How every part connects to Kafka: one set of settings, masked when shown, explained when it fails."""

from __future__ import annotations

import logging
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from confluent_kafka import KafkaError, KafkaException
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError, SettingsError
from shared.exposure import plaintext_hosts, unverified
from shared.logs import KAFKA_LOGGER
from shared.settings import MASK, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import Consumer, Message
    from confluent_kafka.admin import AdminClient, ClusterMetadata

    from shared.messages import Headers

CONNECT_TIMEOUT_S: Final = 10.0
RECONNECT_MS: Final = 1_000
"""Longest pause between two attempts to connect. After a few disconnects in a row the client's default of 10 s
stops everything for longer: a repeated commit was seen to take over 20 s."""

RESERVED: Final = frozenset(
    {
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.protocol",
        "isolation.level",
        "partition.assignment.strategy",
        "retry.backoff.ms",
        "transactional.id",
    }
)
"""Keys on which delivery depends; they follow from this service's own settings."""

NAMED: Final = MappingProxyType(
    {
        "security.protocol": "security_protocol",
        "sasl.mechanism": "sasl_mechanism",
        "sasl.username": "sasl_username",
        "sasl.password": "sasl_password",
        "ssl.ca.location": "ssl_ca_location",
        "ssl.certificate.location": "ssl_certificate_location",
        "ssl.key.location": "ssl_key_location",
        "ssl.key.password": "ssl_key_password",
    }
)
"""Keys that have a setting of their own, which alone is checked and masked."""

_ALIASES: Final = MappingProxyType(
    {
        "bootstrap.servers": "bootstrap_servers",
        "metadata.broker.list": "bootstrap_servers",
        "sasl.mechanisms": "sasl_mechanism",
    }
)

_SHOWN: Final = frozenset(
    {
        *RESERVED,
        "client.id",
        "compression.type",
        "enable.ssl.certificate.verification",
        "fetch.min.bytes",
        "linger.ms",
        "log_level",
        "max.poll.interval.ms",
        "message.max.bytes",
        "retry.backoff.ms",
        "sasl.mechanism",
        "sasl.username",
        "security.protocol",
        "session.timeout.ms",
        "socket.timeout.ms",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.location",
        "transaction.timeout.ms",
    }
)
"""Allow-list: the value of any other key is masked wherever a configuration is shown."""


class KafkaSettings(Settings):
    """Where Kafka is and how to log in; `properties` takes any further librdkafka key."""

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1)
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None
    properties: dict[str, str | int | float | bool] = Field(default_factory=dict)

    insecure: bool = Field(default=False, validate_default=True)
    """Allows texts and passwords to cross a network unencrypted, or to a broker that is not verified."""

    @field_validator("*")
    @classmethod
    def _encodable(cls, value: Any) -> Any:
        """Refuses what is no UTF-8: the client ends the process at such a key and loses such a value."""
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            for text in [*plain, *plain.values()] if isinstance(plain, dict) else [plain]:
                str(text).encode()
        except UnicodeEncodeError:
            raise ValueError("must be valid UTF-8") from None
        return value

    @field_validator("properties")
    @classmethod
    def _leave_what_has_its_own_setting(cls, properties: dict[str, Any]) -> dict[str, Any]:
        for key in sorted(properties):
            if setting := NAMED.get(key) or _ALIASES.get(key):
                raise ValueError(f"{key} cannot be set here: set kafka.{setting} instead")
        taken = sorted(RESERVED & properties.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)} cannot be set here: this service sets it from its own settings")
        return properties

    @field_validator("insecure")
    @classmethod
    def _stay_private(cls, insecure: bool, info: ValidationInfo) -> bool:
        """Refuses what others could read or answer in the broker's place, unless told otherwise."""
        if insecure or not {"bootstrap_servers", "security_protocol", "properties"} <= info.data.keys():
            return insecure
        if hosts := plaintext_hosts(info.data["bootstrap_servers"], info.data["security_protocol"]):
            raise ValueError(
                f"texts and credentials would cross the network to {', '.join(hosts)} unencrypted; set "
                "kafka.security_protocol to ssl or sasl_ssl, or allow it where the network is private"
            )
        if off := unverified(info.data["properties"]):
            raise ValueError(
                f"this value of {off} lets anybody answer in the broker's place; remove it from "
                "kafka.properties and name the authority in kafka.ssl_ca_location, or allow it"
            )
        return insecure


class ClientErrors:
    """librdkafka's error callback: remembers the last error for `explain`; called on the polling thread."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Keeps the most specific error: "all brokers down" never hides why."""
        specific = error.code() != KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - the client's public constants
        if specific or self.last is None:
            self.last = error


def client_config(
    settings: KafkaSettings, errors: ClientErrors, ours: Mapping[str, str | int | float | bool]
) -> dict[str, Any]:
    """Builds a librdkafka configuration; the user's properties win over `ours` but for reserved keys."""
    named = {"bootstrap.servers": settings.bootstrap_servers}
    named |= {key: getattr(settings, name) for key, name in NAMED.items()}
    plain = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value
        for key, value in named.items()
        if value is not None
    }
    # The client's own lines repeat what error_cb says. It must not write them to standard error itself: see there.
    quiet = {"log_level": 2, "logger": logging.getLogger(KAFKA_LOGGER), "error_cb": errors}
    return {**quiet, **plain, **ours, **settings.properties}


def headers_of(message: Message) -> Headers | None:
    """The headers as they are; None where the client cannot read them.

    The protocol wants names in UTF-8, not every producer keeps to it, and confluent-kafka 2.16 raises a
    SystemError at such a name. Of a record with more than 100,000 headers librdkafka hands over none.
    """
    try:
        # Names and bytes in a list, as of every message that was read; the declared type is that of `produce`.
        return tuple(cast("list[tuple[str, bytes | None]]", message.headers() or ()))
    except (SystemError, UnicodeDecodeError):
        return None


def is_about_the_group(message: Message) -> bool:
    """Whether the client complains that it may not use its group, which it names but never joins."""
    error = message.error()
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def is_partition_end(message: Message) -> bool:
    """Whether the message says that the end of its partition is reached; raises KafkaException for an error."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constants
        return True
    raise KafkaException(error)


def redacted(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that may be printed: only allow-listed keys keep their values."""
    plain = {key: value for key, value in config.items() if isinstance(value, str | int | float)}
    return {key: value if key in _SHOWN else MASK for key, value in plain.items()}


def refused_configuration(error: KafkaException) -> SettingsError:
    """Explains why a client could not be built: a key that librdkafka does not know or a value it refuses."""
    return SettingsError(f"librdkafka refuses the configuration: {error.args[0].str()}")


def cluster_metadata(
    client: Consumer | AdminClient, errors: ClientErrors, servers: str, topic: str | None = None
) -> ClusterMetadata:
    """Asks any broker for one topic or for all that the user may see, within CONNECT_TIMEOUT_S.

    Raises an explained error. Asking for one topic by name may create it, but for a Consumer.
    """
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            return client.list_topics(topic=topic, timeout=CONNECT_TIMEOUT_S / 4)
        except KafkaException as error:
            client.poll(0)  # only within it the client tells `errors` why
            reason = errors.last or error.args[0]
            if reason.code() in _HOPELESS or time.monotonic() >= deadline:
                raise explain(reason, servers) from None


def require_topics(metadata: ClusterMetadata, names: Iterable[str]) -> dict[str, int]:
    """Counts the partitions of each topic; raises KafkaStateError for one that does not exist.

    Raises KafkaRefused where the broker says that the topic is not for this user.
    """
    found = metadata.topics
    missing = [name for name in names if name not in found or not found[name].partitions]
    hidden = [name for name in missing if name in found and _is_denied(found[name].error)]
    if hidden:
        raise KafkaRefused(
            f"Kafka denies READ or WRITE on topic {', '.join(hidden)}; ask the cluster's owner for this right"
        )
    if missing:
        raise KafkaStateError(
            f"no such topic: {', '.join(missing)}; correct the name, or run sentiment-consumer topics create"
        )
    return {name: len(found[name].partitions) for name in names}


DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The broker denies a right: no repetition mends it."""

_UNAUTHENTICATED: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001
_HOPELESS: Final = DENIED | _UNAUTHENTICATED | {KafkaError._SSL}  # noqa: SLF001


def explain(error: KafkaError, servers: str, rights: Mapping[int, str] = MappingProxyType({})) -> SentimentError:
    """Turns a client error that no retry mends into one line that says what to do.

    `rights` names by error code what was needed: the client itself tells that a topic was denied, but
    seldom which and what for.
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
    if code in {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}:  # noqa: SLF001
        return KafkaUnreachable(
            f"Kafka at {servers} does not answer within {CONNECT_TIMEOUT_S:.0f} s; "
            "check --bootstrap-servers, that the broker runs, and kafka.security_protocol"
        )
    if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return KafkaStateError(
            f"a topic does not exist: {error.str()}; create with: sentiment-consumer topics create"
        )
    return KafkaStateError(f"Kafka: {error.name()}: {error.str()}")


def _is_denied(error: KafkaError | None) -> bool:
    return error is not None and error.code() in DENIED


def _no_tls(reason: str, servers: str) -> str:
    # The client says the same of a wrong authority and of a wrong host name.
    if "certificate verify failed" in reason:
        return (
            f"no TLS connection to Kafka at {servers}: its certificate is not issued by the authority in "
            "kafka.ssl_ca_location, or not to the host name in --bootstrap-servers, or it has expired"
        )
    return f"no TLS connection to Kafka at {servers}: {reason}; check kafka.security_protocol and kafka.ssl_*"
