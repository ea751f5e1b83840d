"""How the Kafka clients are configured, and what their errors mean to an operator."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import SecretStr, ValidationError

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError
from shared.kafka import (
    RESERVED,
    ClientErrors,
    KafkaSettings,
    client_config,
    explain,
    redacted,
    refused_configuration,
    require_topics,
)
from shared.settings import MASK

PRIVATE = "hunter2"


def test_settings_reach_the_client_under_its_own_names() -> None:
    """Given a login, when the configuration is built, then librdkafka's keys hold it and unset ones are absent."""
    settings = KafkaSettings(
        bootstrap_servers="a:1,b:2",
        security_protocol="sasl_ssl",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password=SecretStr(PRIVATE),
    )
    errors = ClientErrors()

    assert client_config(settings, errors, {"linger.ms": 5}) == {
        "log_level": 2,
        "error_cb": errors,
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": PRIVATE,
        "linger.ms": 5,
    }


def test_free_properties_win_over_ours() -> None:
    """Given properties, when the configuration is built, then they pass through, above our own choices."""
    settings = KafkaSettings(properties={"linger.ms": 50, "debug": "broker", "log_level": 7})

    config = client_config(settings, ClientErrors(), {"linger.ms": 5, "client.id": "x"})

    assert (config["linger.ms"], config["debug"], config["log_level"], config["client.id"]) == (
        50,
        "broker",
        7,
        "x",
    )


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_properties_on_which_delivery_depends_are_refused(key: str) -> None:
    """Given a key that this service sets itself, when given as a property, then it is refused by name."""
    with pytest.raises(ValidationError, match=f"{re.escape(key)} cannot be set here"):
        KafkaSettings(properties={key: "x"})


def test_only_known_harmless_keys_are_shown() -> None:
    """Given a configuration, when it is to be printed, then any key off the allow-list is masked."""
    config: dict[str, Any] = {
        "bootstrap.servers": "a:1",
        "group.id": "g",
        "sasl.username": "me",
        "sasl.password": PRIVATE,
        "ssl.key.pem": PRIVATE,
        "sasl.jaas.config": PRIVATE,
        "a.key.of.tomorrow": PRIVATE,
        "error_cb": print,
    }

    assert redacted(config) == {
        "bootstrap.servers": "a:1",
        "group.id": "g",
        "sasl.username": "me",
        "sasl.password": MASK,
        "ssl.key.pem": MASK,
        "sasl.jaas.config": MASK,
        "a.key.of.tomorrow": MASK,
    }


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (KafkaError._AUTHENTICATION, KafkaRefused, "check kafka.sasl_username"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, KafkaRefused, "check kafka.sasl_username"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError._SSL, KafkaUnreachable, "check kafka.ssl_ca_location"),
        (KafkaError._RESOLVE, KafkaUnreachable, "check --bootstrap-servers"),
        (KafkaError._TRANSPORT, KafkaUnreachable, "that the broker runs"),
        (KafkaError._TIMED_OUT, KafkaUnreachable, "that the broker runs"),
        (KafkaError._ALL_BROKERS_DOWN, KafkaUnreachable, "that the broker runs"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaStateError, "topics create"),
        (KafkaError.OFFSET_OUT_OF_RANGE, KafkaStateError, "OFFSET_OUT_OF_RANGE"),
    ],
)
def test_client_errors_say_what_to_do(code: int, kind: type[SentimentError], advice: str) -> None:
    """Given an error of the client, when explained, then its class fits and one line says what to do."""
    found = explain(KafkaError(code), "somewhere:9092")

    assert type(found) is kind
    assert advice in str(found)
    assert "\n" not in str(found)
    if kind is KafkaUnreachable:
        assert "somewhere:9092" in str(found)


def test_the_most_specific_client_error_is_kept() -> None:
    """Given a reason and then "all brokers down", when asked for the last error, then it is the reason."""
    errors = ClientErrors()
    down, reason = KafkaError(KafkaError._ALL_BROKERS_DOWN), KafkaError(KafkaError._SSL)

    errors(down)
    assert errors.last is down
    errors(reason)
    errors(down)
    assert errors.last is reason


def test_a_key_that_librdkafka_does_not_know_is_named() -> None:
    """Given a misspelt property, when a client is built, then the explanation names it and the exit code is 78."""
    with pytest.raises(KafkaException) as raised:
        Producer({"linger.mss": 5})

    error = refused_configuration(raised.value)
    assert "linger.mss" in str(error)
    assert error.exit_code == 78


def test_topics_are_counted_or_missed() -> None:
    """Given a cluster's topics, when some are required, then partitions are counted and missing ones named."""
    topics = {"a": SimpleNamespace(partitions={0: 0, 1: 1}), "empty": SimpleNamespace(partitions={})}
    metadata: Any = SimpleNamespace(topics=topics)

    assert require_topics(metadata, ["a"]) == {"a": 2}
    with pytest.raises(KafkaStateError, match=r"no such topic: empty, c; .*topics create"):
        require_topics(metadata, ["a", "empty", "c"])
