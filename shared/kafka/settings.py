"""Settings of the connection to Kafka and of the login."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from shared.kafka.exposure import plaintext_endpoint, plaintext_hosts, unverified
from shared.kafka.properties import Properties, check_keys
from shared.settings import Settings

_SERVER: Final = re.compile(
    r"(?:[A-Za-z_]+://)?(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])(?::(?P<port>[0-9]{1,5}))?|[0-9A-Fa-f:.]+"
)
_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_LAST_PORT: Final = 65_535
Word = Annotated[str, Field(min_length=1, max_length=1_000)]


def split_names(value: object) -> object:
    """Parts names at commas, in a text and in each of several: no name or pattern holds one."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        return value
    return [name.strip() for part in value for name in part.split(",")]


def topic_name(name: str) -> str:
    """Returns a name that a topic may have; raises ValueError."""
    if not _TOPIC.fullmatch(name):
        raise ValueError(f"{name[:249]!r} is not a valid topic name")
    return name


TopicName = Annotated[str, AfterValidator(topic_name)]


class KafkaSettings(Settings):
    """The connection to Kafka and the login; `properties` takes further keys of librdkafka."""

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1, max_length=10_000)
    """Brokers to connect to first: host:port[,host:port]."""
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """Whether connections are encrypted, and whether clients log in."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """How clients log in. GSSAPI is left out: librdkafka runs kinit in a shell for it, and its wheels lack it."""
    sasl_username: Word | None = None
    """User name of the login."""
    sasl_password: SecretStr | None = None
    """Password of the login."""
    ssl_ca_location: Word | None = None
    """File with the certificate of the authority that signs the brokers'. Default: the system's authorities."""
    ssl_certificate_location: Word | None = None
    """File with the client's certificate."""
    ssl_key_location: Word | None = None
    """File with the key of the client's certificate."""
    ssl_key_password: SecretStr | None = None
    """Password of that file."""
    properties: Annotated[Properties, BeforeValidator(check_keys)] = Field(default_factory=Properties)
    """Further keys of librdkafka, such as {"session.timeout.ms": 6000}; the runbook lists those allowed."""

    # Last of the fields, since its validator sees only those above it.
    insecure: bool = Field(default=False, validate_default=True)
    """Allow plaintext, or a broker that is not verified, off this machine."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _only_addresses(cls, servers: str) -> str:
        """Refuses a login in an address without quoting it, as errors and log lines quote the servers."""
        named = [server.strip() for server in servers.split(",") if server.strip()]
        found = [_SERVER.fullmatch(server) for server in named]
        if not named or not all(found) or any(one and int(one["port"] or 0) > _LAST_PORT for one in found):
            raise ValueError(
                "must be host:port[,host:port]; a login belongs in kafka.sasl_username and kafka.sasl_password"
            )
        return ",".join(named)

    @field_validator("insecure")
    @classmethod
    def _stay_private(cls, insecure: bool, info: ValidationInfo) -> bool:
        """Refuses connections that others could read, or answer in the broker's place, without `insecure`."""
        # A field that has an error of its own is missing from `data`.
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
