"""Settings that let others read or answer are recognised in any spelling."""

from __future__ import annotations

import pytest

from shared.kafka.exposure import plaintext_hosts, unverified


@pytest.mark.parametrize(
    "servers",
    [
        "localhost:9092",
        ":9092",
        "LOCALHOST",
        "127.0.0.1:9092",
        "127.255.0.9",
        "[::1]:9092",
        "::1",
        "localhost:1, 127.0.0.1:2,[::1]:3,",
        "PLAINTEXT://localhost:9092",
        "sasl_plaintext://[::1]:9092",
    ],
)
def test_this_machine_may_be_spoken_to_in_plaintext(servers: str) -> None:
    """Given addresses of this machine only, when checked, then no host is exposed."""
    assert plaintext_hosts(servers, "plaintext") == []


@pytest.mark.parametrize(
    ("servers", "hosts"),
    [
        ("kafka:9092", ["kafka"]),
        ("localhost:1,b1:2, b2:3", ["b1", "b2"]),
        ("localhost.example.com:9092", ["localhost.example.com"]),
        ("127.0.0.1.example.com:9092", ["127.0.0.1.example.com"]),
        ("10.0.0.1", ["10.0.0.1"]),
        ("[2001:db8::1]:9092", ["2001:db8::1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("192.168.0.1:9092", ["192.168.0.1"]),
        ("PLAINTEXT://kafka:9092", ["kafka"]),
        ("SASL_SSL://kafka:9092", ["kafka"]),
    ],
)
def test_other_machines_may_not(servers: str, hosts: list[str]) -> None:
    """Given any other host, also among local ones, when checked, then it is named, with either protocol."""
    for protocol in ("plaintext", "sasl_plaintext"):
        assert plaintext_hosts(servers, protocol) == hosts


def test_a_server_with_a_plaintext_protocol_of_its_own_is_believed() -> None:
    """Given TLS by setting, when one server says plaintext, then that one is exposed and the others are not."""
    assert plaintext_hosts("a:1,PLAINTEXT://b:2,SSL://c:3", "ssl") == ["b"]


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        ({}, None),
        ({"ssl.endpoint.identification.algorithm": "https"}, None),
        ({"ssl.endpoint.identification.algorithm": "none"}, "ssl.endpoint.identification.algorithm"),
        ({"ssl.endpoint.identification.algorithm": ""}, "ssl.endpoint.identification.algorithm"),
        ({"enable.ssl.certificate.verification": True}, None),
        ({"enable.ssl.certificate.verification": "TRUE"}, None),
        ({"enable.ssl.certificate.verification": False}, "enable.ssl.certificate.verification"),
        ({"enable.ssl.certificate.verification": "f"}, "enable.ssl.certificate.verification"),
        ({"enable.ssl.certificate.verification": 0}, "enable.ssl.certificate.verification"),
    ],
)
def test_verification_that_is_turned_off_is_noticed(properties: dict[str, object], key: str | None) -> None:
    """Given properties, when checked, then the one that turns verification off is named, in any spelling."""
    assert unverified(properties) == key
