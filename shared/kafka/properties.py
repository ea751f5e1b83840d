"""The keys of librdkafka that a user may set in `kafka.properties`, with their ranges.

This is an allow-list, since librdkafka also has keys that break exactly-once, load a library, run a command or set
a callback, and every version adds more. No key here changes what is delivered. The ranges are within those of
librdkafka, which parses "6000x" as 6000, "1e3" as 1 and 2^32 + 6000 as 6000.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict  # pydantic refuses that of typing before Python 3.12

if TYPE_CHECKING:
    from collections.abc import Mapping

Text = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Bytes = Annotated[int, Field(ge=0, le=100_000_000)]
_CONTEXT: Final = (
    "(?:admin|all|assignor|broker|cgrp|conf|consumer|eos|feature|fetch|generic|interceptor|metadata|mock|msg|plugin|"
    "protocol|queue|security|telemetry|topic)"
)


def _contexts(debug: str) -> str:
    if not re.fullmatch(f"{_CONTEXT}(?:,{_CONTEXT})*", debug):
        raise ValueError("must name debug contexts of librdkafka, such as broker,topic")
    return debug


Properties = TypedDict(
    "Properties",
    {
        # Client identity
        "client.id": Text,
        "client.rack": Text,
        "enable.metrics.push": bool,
        # Connection
        "broker.address.family": Literal["any", "v4", "v6"],
        "client.dns.lookup": Literal["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"],
        "connections.max.idle.ms": Annotated[int, Field(ge=0, le=86_400_000)],
        "socket.connection.setup.timeout.ms": Annotated[int, Field(ge=1_000, le=300_000)],
        "socket.keepalive.enable": bool,
        "socket.receive.buffer.bytes": Bytes,
        "socket.send.buffer.bytes": Bytes,
        "socket.timeout.ms": Annotated[int, Field(ge=1_000, le=300_000)],
        # Group membership and fetching
        # Not group.instance.id: one settings file serves many processes, and two members of one name end each
        # other. Not fetch.max.bytes and queued.*: they bound memory (decision 17).
        "fetch.min.bytes": Annotated[int, Field(ge=1, le=100_000_000)],
        "fetch.wait.max.ms": Annotated[int, Field(ge=0, le=30_000)],
        "heartbeat.interval.ms": Annotated[int, Field(ge=100, le=600_000)],
        "max.poll.interval.ms": Annotated[int, Field(ge=1_000, le=86_400_000)],
        "session.timeout.ms": Annotated[int, Field(ge=1_000, le=1_800_000)],
        "topic.metadata.refresh.interval.ms": Annotated[int, Field(ge=100, le=3_600_000)],
        # Producing
        # Not batch.size: a topic refuses a batch above its limit with all its records (decision 17).
        # Not retry.backoff.*: a repeated commit must stay slower than a healthy one (decision 9).
        "compression.level": Annotated[int, Field(ge=-1, le=12)],
        "compression.type": Literal["none", "gzip", "snappy", "lz4", "zstd"],
        "linger.ms": Annotated[float, Field(ge=0, le=10_000)],
        "queue.buffering.max.kbytes": Annotated[int, Field(ge=1, le=2_097_151)],
        "queue.buffering.max.messages": Annotated[int, Field(ge=1, le=10_000_000)],
        # TLS
        "enable.ssl.certificate.verification": bool,
        "ssl.cipher.suites": Text,
        "ssl.crl.location": Text,
        "ssl.curves.list": Text,
        "ssl.endpoint.identification.algorithm": Literal["https", "none"],
        "ssl.sigalgs.list": Text,
        # Tokens, for sasl_mechanism OAUTHBEARER
        "https.ca.location": Text,
        "sasl.oauthbearer.client.id": Text,
        "sasl.oauthbearer.client.secret": SecretStr,
        "sasl.oauthbearer.extensions": Text,
        "sasl.oauthbearer.method": Literal["oidc"],
        "sasl.oauthbearer.scope": Text,
        "sasl.oauthbearer.token.endpoint.url": Annotated[
            str, Field(pattern=r"^https?://[^@\s\x00-\x1f]{1,1000}$")
        ],
        # Log lines of librdkafka
        "debug": Annotated[str, AfterValidator(_contexts)],
        "log_level": Annotated[int, Field(ge=0, le=7)],
    },
    total=False,
)
Properties.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)  # type: ignore[attr-defined]

ELSEWHERE: Final[Mapping[str, str]] = {
    "bootstrap.servers": "kafka.bootstrap_servers",
    "metadata.broker.list": "kafka.bootstrap_servers",
    "security.protocol": "kafka.security_protocol",
    "sasl.mechanism": "kafka.sasl_mechanism",
    "sasl.mechanisms": "kafka.sasl_mechanism",
    "sasl.username": "kafka.sasl_username",
    "sasl.password": "kafka.sasl_password",
    "ssl.ca.location": "kafka.ssl_ca_location",
    "ssl.certificate.location": "kafka.ssl_certificate_location",
    "ssl.key.location": "kafka.ssl_key_location",
    "ssl.key.password": "kafka.ssl_key_password",
    "group.id": "group_id",
    "group.protocol": "group_protocol",
    "auto.offset.reset": "auto_offset_reset",
    "transactional.id": "instance_id",
    "message.timeout.ms": "limits.commit_timeout_s",
    "delivery.timeout.ms": "limits.commit_timeout_s",
    "message.max.bytes": "limits.max_output_bytes",
}
"""Keys that this service derives from one of its settings."""

_NAME: Final = re.compile(r"[a-z]+([._][a-z]+)+")
"""Keys that an error may quote; YAML reads {sasl_password:secret}, without a space, as one key."""
SESSION_MS: Final = 8_000
"""Our `session.timeout.ms` in the classic protocol: how long the partitions of a killed process wait.

librdkafka's 45 s are for networks that fail for that long; brokers allow 6 s and more (decision 34).
"""
MEMBERSHIP: Final = frozenset({"heartbeat.interval.ms", "max.poll.interval.ms", "session.timeout.ms"})
"""Keys that are passed only to a client that joins the group."""


def check_keys(properties: Any) -> Any:
    """Raises ValueError for the first key that may not be set; never quotes a possible value."""
    for number, key in enumerate(properties if isinstance(properties, dict) else (), start=1):
        if key in Properties.__annotations__:
            continue
        if key in ELSEWHERE:
            raise ValueError(f"{key} cannot be set here: set {ELSEWHERE[key]} instead")
        near = difflib.get_close_matches(str(key), Properties.__annotations__, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        shown = key if _NAME.fullmatch(str(key)) else f"its key number {number}"
        raise ValueError(
            f"{shown} cannot be set here, only keys that neither change what is delivered nor run anything; "
            f"docs/runbook.md lists them{hint}"
        )
    return properties


def check_membership(properties: Properties, group_protocol: str) -> None:
    """Raises ValueError for timeouts, in milliseconds, that a client of that group protocol cannot have."""
    if group_protocol == "consumer":
        # max.poll.interval.ms is the client's in both protocols.
        if broken := sorted(MEMBERSHIP & properties.keys() - {"max.poll.interval.ms"}):
            raise ValueError(
                f"{', '.join(broken)} cannot be set in kafka.properties with group_protocol consumer: there it is "
                "the broker's, group.consumer.session.timeout.ms or group.consumer.heartbeat.interval.ms"
            )
        return
    # 3 s and 300 s are librdkafka's defaults. It takes a session that is shorter than the heartbeat.
    heartbeat_ms = properties.get("heartbeat.interval.ms", 3_000)
    session_ms = properties.get("session.timeout.ms", SESSION_MS)
    if heartbeat_ms >= session_ms:
        both = f"they are {heartbeat_ms} and {session_ms}"
        raise ValueError(f"heartbeat.interval.ms must be below session.timeout.ms: {both}")
    if properties.get("max.poll.interval.ms", 300_000) < session_ms:
        raise ValueError(f"max.poll.interval.ms must be at least session.timeout.ms, which is {session_ms}")
