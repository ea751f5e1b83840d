"""The librdkafka properties that a user may set: a short list, checked before any client sees them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from confluent_kafka import Consumer, Producer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from consumer.settings import ConsumerSettings
from shared.errors import SettingsError
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors
from shared.kafka.properties import ELSEWHERE, Properties
from shared.kafka.settings import KafkaSettings
from shared.settings import load_settings

PRIVATE = "hunter2secret"
RUNBOOK = Path(__file__).parents[4] / "docs" / "runbook.md"
HINTS = get_type_hints(Properties, include_extras=True)
URL = "sasl.oauthbearer.token.endpoint.url"

DANGEROUS = (
    # load code, run a command or call back
    *("plugin.library.paths", "ssl.engine.location", "ssl.providers", "sasl.kerberos.kinit.cmd"),
    *("sasl.kerberos.principal", "sasl.kerberos.keytab", "error_cb", "stats_cb", "throttle_cb", "on_commit"),
    *("logger", "oauth_cb", "on_delivery", "default.topic.config", "interceptors", "opaque", "resolve_cb"),
    # undo what delivery depends on
    *("transaction.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms", "acks", "request.required.acks"),
    *("enable.idempotence", "enable.auto.commit", "enable.auto.offset.store", "isolation.level", "retries"),
    *("message.send.max.retries", "max.in.flight", "batch.size", "partition.assignment.strategy", "check.crcs"),
    *("enable.partition.eof", "topic.blacklist", "allow.auto.create.topics", "group.instance.id"),
    *("reconnect.backoff.max.ms", "queue.buffering.max.ms", "enable.gapless.guarantee"),
    # would hold memory without a limit of ours
    *("queued.max.messages.kbytes", "fetch.max.bytes", "receive.message.max.bytes", "message.copy.max.bytes"),
    *ELSEWHERE,
)


@pytest.mark.parametrize("key", DANGEROUS)
def test_keys_off_the_list_are_refused(key: str) -> None:
    """Given a key that could change delivery or run anything, when loaded, then it is refused unquoted."""
    with pytest.raises(ValidationError, match="cannot be set here") as raised:
        KafkaSettings.model_validate({"properties": {key: PRIVATE}})

    assert PRIVATE not in str(raised.value)
    assert key in str(raised.value) or "its key number 1" in str(raised.value)


@pytest.mark.parametrize(
    ("properties", "hint"),
    [
        ({"fetch.wait.max": 1}, "fetch.wait.max cannot be set here.*did you mean fetch.wait.max.ms"),
        ({"linger.ms": 1, PRIVATE: 1}, "its key number 2 cannot be set here"),
        ({f"sasl.password:{PRIVATE}": None}, "its key number 1 cannot be set here"),
        ({"\ud800": 1}, "its key number 1 cannot be set here"),
        ({"sasl.password": PRIVATE}, "set kafka.sasl_password instead"),
        ({"group.id": PRIVATE}, "set group_id instead"),
    ],
)
def test_refusals_name_keys_but_no_secrets(properties: dict[str, Any], hint: str) -> None:
    """Given a key that is misspelt, has a setting or is a secret, then the error helps and leaks nothing."""
    with pytest.raises(ValidationError, match=hint) as raised:
        KafkaSettings.model_validate({"properties": properties})

    assert PRIVATE not in str(raised.value)


def takes_any_text(key: str) -> bool:
    """Whether the key takes any text."""
    return FieldInfo.from_annotation(HINTS[key]).annotation in {str, SecretStr} and key not in {"debug", URL}


@pytest.mark.parametrize("key", [key for key in HINTS if not takes_any_text(key)])
def test_no_refused_value_is_shown(key: str) -> None:
    """Given a value that a key does not accept, when refused, then the error names the key and not the value."""
    flags = {"kafka.properties": {key: PRIVATE}}

    with pytest.raises(SettingsError, match=f"kafka.properties.{key}: ") as raised:
        load_settings(ConsumerSettings, flags=flags, environ={})

    assert PRIVATE not in str(raised.value)


def samples(key: str) -> list[Any]:
    """Values that a key accepts: its bounds, or each of its choices."""
    field = FieldInfo.from_annotation(HINTS[key])
    limits = {name: getattr(one, name) for one in field.metadata for name in ("ge", "le") if hasattr(one, name)}
    if limits:
        return [limits["ge"], limits["le"]]
    if field.annotation is bool:
        return [True, False]
    choices = [one for one in get_args(field.annotation) if isinstance(one, str)]
    return choices or ["/dev/null" if "location" in key else "https://a.example.com" if "url" in key else "broker"]


@pytest.mark.parametrize("key", sorted(HINTS.keys() - {"debug", "log_level", "ssl.crl.location"}))
def test_librdkafka_takes_whatever_is_accepted(key: str) -> None:
    """Given the ends of a key's range, when clients are built, then librdkafka accepts both."""
    member = {"group.id": "g", "session.timeout.ms": 1_000, "max.poll.interval.ms": 86_400_000}
    if key == "session.timeout.ms":
        member["heartbeat.interval.ms"] = 100
    for value in samples(key):
        settings = KafkaSettings.model_validate({"properties": {key: value}, "insecure": True})
        theirs = client_config(settings, ClientErrors(), {"group.protocol": "classic"})
        theirs = {name: given for name, given in theirs.items() if name in {key, "log_level", "error_cb"}}
        Producer(theirs)
        Consumer({**member, **theirs})


@pytest.mark.parametrize(
    "value", ["6000x", "1e3", 2**32 + 6_000, "inf", "nan", 1e300, -1, 10**400, 6_000.5, None, [6_000]]
)
def test_numbers_that_librdkafka_would_misread_are_refused(value: object) -> None:
    """Given a value that librdkafka reads as another number, when loaded, then it is refused."""
    with pytest.raises(ValidationError):
        KafkaSettings.model_validate({"properties": {"session.timeout.ms": value}})


@pytest.mark.parametrize(
    ("protocol", "properties", "reason"),
    [
        ("classic", {"session.timeout.ms": 400_000}, "max.poll.interval.ms must be at least session.timeout.ms"),
        ("classic", {"max.poll.interval.ms": 6_000}, "max.poll.interval.ms must be at least session.timeout.ms"),
        ("classic", {"heartbeat.interval.ms": 45_000}, "heartbeat.interval.ms must be below session.timeout.ms"),
        ("classic", {"session.timeout.ms": 3_000}, "session.timeout.ms: they are 3000 and 3000"),
        ("consumer", {"session.timeout.ms": 6_000}, "it is the broker's"),
        ("consumer", {"heartbeat.interval.ms": 500}, "it is the broker's"),
    ],
)
def test_timeouts_of_a_member_fit_together(protocol: str, properties: dict[str, int], reason: str) -> None:
    """Given timeouts with which no member can be built, when loaded, then the error states the condition."""
    with pytest.raises(ValidationError, match=reason):
        ConsumerSettings.model_validate({"group_protocol": protocol, "kafka": {"properties": properties}})
    ConsumerSettings.model_validate(
        {"group_protocol": "consumer", "kafka": {"properties": {"max.poll.interval.ms": 6_000}}}
    )


def test_a_range_is_told() -> None:
    """Given a property out of range, when loaded, then the error holds the range."""
    expected = "kafka.properties.socket.timeout.ms: must be a whole number of at least 1000 and at most 300000"

    with pytest.raises(SettingsError, match=expected):
        load_settings(ConsumerSettings, flags={"kafka.properties": {"socket.timeout.ms": 1}}, environ={})


def test_the_runbook_lists_every_key() -> None:
    """Given the keys that can be set, then the runbook's table has each of them, and no other."""
    section = RUNBOOK.read_text(encoding="utf-8").partition("\n## kafka.properties\n")[2].partition("\n## ")[0]
    table = "".join(line.partition(" | ")[2] for line in section.splitlines() if line.startswith("| "))

    assert {name for name in re.findall(r"`([a-z_.]+)`", table) if "." in name} | {"debug", "log_level"} == set(
        HINTS
    )
