"""Finds connections to Kafka that others could read or answer: plaintext off this machine, no verification."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAINTEXT: Final = frozenset({"plaintext", "sasl_plaintext"})
_PROTOCOL: Final = re.compile(r"^(\w+)://")
_YES: Final = frozenset({"true", "t", "1"})
_VERIFYING: Final = {
    "ssl.endpoint.identification.algorithm": frozenset({"https"}),
    "enable.ssl.certificate.verification": _YES,
}
"""The values with which librdkafka verifies the broker; they are its defaults."""


def plaintext_hosts(servers: str, security_protocol: str) -> list[str]:
    """The bootstrap hosts that are neither this machine nor connected to over TLS.

    A server may have its own protocol (`SASL_SSL://host:9093`). librdkafka skips servers whose protocol differs
    from the setting, so neither of the two may be plaintext.
    """
    found = []
    for server in filter(None, map(str.strip, servers.split(","))):
        prefix = _PROTOCOL.match(server)
        protocols = {security_protocol, prefix[1].lower() if prefix else security_protocol}
        host = _host(server[prefix.end() :] if prefix else server)
        if protocols & _PLAINTEXT and not is_loopback(host):
            found.append(host)
    return found


def plaintext_endpoint(url: str) -> list[str]:
    """The host of a token endpoint, if it is neither this machine nor connected to over TLS; else empty."""
    endpoint = urlsplit(url)
    return (
        [endpoint.hostname]
        if endpoint.scheme == "http" and endpoint.hostname and not is_loopback(endpoint.hostname)
        else []
    )


def unverified(properties: Mapping[str, object]) -> str | None:
    """The librdkafka property that turns verification of the broker off; None if none does."""
    for key, values in _VERIFYING.items():
        if key in properties and str(properties[key]).strip().lower() not in values:
            return key
    return None


def _host(server: str) -> str:
    """The host of `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or `:port`, which is this machine."""
    if server.startswith("["):
        return server[1:].partition("]")[0]
    return server if server.count(":") > 1 else server.partition(":")[0] or "localhost"


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host of this name."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
