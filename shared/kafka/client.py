"""How every part connects to Kafka: one set of settings, masked when shown, explained when it fails."""

from __future__ import annotations

import logging
import re
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from confluent_kafka import KafkaError, KafkaException
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError, SettingsError
from shared.kafka.exposure import plaintext_endpoint, plaintext_hosts, unverified
from shared.kafka.properties import MEMBERSHIP, Properties, check_keys
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

_NAMED: Final = MappingProxyType(
    {
        "bootstrap.servers": "bootstrap_servers",
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
"""Keys of librdkafka that have a setting of their own."""

_SERVER: Final = re.compile(
    r"(?:[A-Za-z_]+://)?(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])(?::(?P<port>[0-9]{1,5}))?|[0-9A-Fa-f:.]+"
)
_LAST_PORT: Final = 65_535
Word = Annotated[str, Field(min_length=1, max_length=1_000)]


class KafkaSettings(Settings):
    """Where Kafka is and how to log in; `properties` takes further keys of librdkafka."""

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1, max_length=10_000)
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """Not GSSAPI: librdkafka would run kinit in a shell, and the wheels of confluent-kafka lack it anyway."""
    sasl_username: Word | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Word | None = None
    ssl_certificate_location: Word | None = None
    ssl_key_location: Word | None = None
    ssl_key_password: SecretStr | None = None
    properties: Annotated[Properties, BeforeValidator(check_keys)] = Field(default_factory=Properties)

    insecure: bool = Field(default=False, validate_default=True)
    """Allows texts and passwords to cross a network unencrypted, or to a broker that is not verified."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _only_addresses(cls, servers: str) -> str:
        """Refuses a login in an address without quoting it, as errors and log lines quote the servers."""
        named = [server.strip() for server in servers.split(",") if server.strip()]
        found = [_SERVER.fullmatch(server) for server in named]
        if not named or not all(found) or any(one and int(one["port"] or 0) > _LAST_PORT for one in found):
            raise ValueError(
                "must be host:port[,host:port]; a login belongs into kafka.sasl_username and kafka.sasl_password"
            )
        return ",".join(named)

    @field_validator("insecure")
    @classmethod
    def _stay_private(cls, insecure: bool, info: ValidationInfo) -> bool:
        """Refuses what others could read or answer in the broker's place, unless told otherwise."""
        if insecure or not {"bootstrap_servers", "security_protocol", "properties"} <= info.data.keys():
            return insecure
        hosts = plaintext_hosts(info.data["bootstrap_servers"], info.data["security_protocol"])
        hosts += plaintext_endpoint(info.data["properties"].get("sasl.oauthbearer.token.endpoint.url", ""))
        if hosts:
            raise ValueError(
                f"texts and credentials would cross the network to {', '.join(hosts)} unencrypted; set "
                "kafka.security_protocol to ssl or sasl_ssl (and take tokens from an https endpoint), or allow it "
                "where the network is private"
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
    """Builds a librdkafka configuration; the user's properties win over `ours`."""
    theirs = _theirs(settings)
    if "group.protocol" not in ours:
        theirs = {key: value for key, value in theirs.items() if key not in MEMBERSHIP}
    plain = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in theirs.items()
    }
    # The client's own lines repeat what error_cb says. It must not write them to standard error itself: see there.
    quiet = {"log_level": 2, "logger": logging.getLogger(KAFKA_LOGGER), "error_cb": errors}
    return {**quiet, **ours, **plain}


def shown_config(settings: KafkaSettings) -> dict[str, Any]:
    """What librdkafka gets from the settings, with its secrets masked."""
    return {key: MASK if isinstance(value, SecretStr) else value for key, value in _theirs(settings).items()}


def _theirs(settings: KafkaSettings) -> dict[str, Any]:
    named = {key: getattr(settings, name) for key, name in _NAMED.items()}
    return {key: value for key, value in named.items() if value is not None} | {**settings.properties}


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
