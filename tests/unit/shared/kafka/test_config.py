"""The configuration of the Kafka clients, and the meaning of their errors for an operator."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import SecretStr, ValidationError

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError
from shared.kafka.admin import require_topics
from shared.kafka.client import client_config, shown_config
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.settings import KafkaSettings
from shared.settings import MASK, effective
from tests.support.stderr import FULL, script

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
        "logger": logging.getLogger("librdkafka"),
        "error_cb": errors,
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": PRIVATE,
        "linger.ms": 5,
    }


TALKATIVE = """
from confluent_kafka import Producer
from shared.kafka.errors import ClientErrors
from shared.kafka.settings import KafkaSettings
from shared.kafka.client import client_config
from shared.logs import configure_logs, exit_with
def command():
    configure_logs()
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1", properties={"debug": "all", "log_level": 7})
    producer = Producer(client_config(settings, ClientErrors(), {}))
    for _ in range(20):
        producer.poll(0.01)
exit_with(command)
"""


@pytest.mark.slow
def test_the_client_is_not_held_by_its_own_log() -> None:
    """Given a client that logs everything, when nobody reads the log, then it works and the process ends."""
    with script(FULL, TALKATIVE) as process:
        assert process.wait(30) == 0


@pytest.mark.slow
def test_the_clients_own_lines_are_logged() -> None:
    """Given a client that logs everything, when the log is read, then its lines are there, marked as its own."""
    done = subprocess.run(
        [sys.executable, "-c", TALKATIVE], capture_output=True, text=True, check=True, timeout=60
    )

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in lines} == {"librdkafka"}


def test_free_properties_win_over_ours() -> None:
    """Given properties, when the configuration is built, then they pass through and override our own choices."""
    settings = KafkaSettings(properties={"linger.ms": 50, "debug": "broker", "log_level": 7})

    config = client_config(settings, ClientErrors(), {"linger.ms": 5, "client.id": "x"})

    assert (config["linger.ms"], config["debug"], config["log_level"], config["client.id"]) == (
        50,
        "broker",
        7,
        "x",
    )


def test_only_a_member_of_the_group_gets_the_timeouts_of_a_member() -> None:
    """Given the timeouts of a member, when a client without a group is built, then it does not get them."""
    settings = KafkaSettings(properties={"max.poll.interval.ms": 6_000, "session.timeout.ms": 5_000})

    assert client_config(settings, ClientErrors(), {"group.protocol": "classic"})["max.poll.interval.ms"] == 6_000
    assert not {"max.poll.interval.ms", "session.timeout.ms"} & client_config(settings, ClientErrors(), {}).keys()


def test_secrets_are_masked_and_the_rest_is_shown() -> None:
    """Given a login and a secret among the properties, when shown, then only the client gets them."""
    secret = "sasl.oauthbearer.client.secret"  # noqa: S105 - its name
    settings = KafkaSettings(
        sasl_username="me", sasl_password=SecretStr(PRIVATE), properties={secret: PRIVATE, "linger.ms": 5}
    )

    shown = shown_config(settings)

    assert (shown["sasl.username"], shown["sasl.password"], shown[secret], shown["linger.ms"]) == (
        "me",
        MASK,
        MASK,
        5,
    )
    assert PRIVATE not in repr(settings) + repr(shown) + repr(effective(settings))
    assert client_config(settings, ClientErrors(), {})[secret] == PRIVATE


@pytest.mark.parametrize(
    "servers",
    [
        f"user:{PRIVATE}@127.0.0.1:9092",
        f"localhost:1,user:{PRIVATE}@b:2",
        f"SASL_SSL://user:{PRIVATE}@b:2",
        f"{PRIVATE}@b",
        f"b:2/{PRIVATE}",
        f"b:{PRIVATE}",
        f"b {PRIVATE}",
        "b:65536",
        "b\nc",
        " , ",
        "",
    ],
)
def test_servers_that_are_no_addresses_are_refused_unquoted(servers: str) -> None:
    """Given a login or anything except addresses, when loaded, then it is refused and not quoted."""
    with pytest.raises(ValidationError) as raised:
        KafkaSettings(bootstrap_servers=servers, insecure=True)

    assert PRIVATE not in str(raised.value)


@pytest.mark.parametrize(
    "servers", ["a", "a_b-c.example.com:9092", "a:1, b:2,", ":9092", "[::1]:9092", "::1", "SASL_SSL://a:65535"]
)
def test_addresses_are_accepted(servers: str) -> None:
    """Given addresses in any form that librdkafka takes, when loaded, then only blanks are removed."""
    found = KafkaSettings(bootstrap_servers=servers, insecure=True).bootstrap_servers

    assert found == servers.replace(" ", "").rstrip(",")


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (KafkaError._AUTHENTICATION, KafkaRefused, "check kafka.sasl_username"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, KafkaRefused, "check kafka.sasl_username"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaRefused, "ask the cluster's owner"),
        (KafkaError._SSL, KafkaUnreachable, "check kafka.security_protocol"),
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


def topic(partitions: int, error: KafkaError | None = None) -> SimpleNamespace:
    """A topic as in the cluster's metadata."""
    return SimpleNamespace(partitions=dict.fromkeys(range(partitions)), error=error)


def test_topics_are_counted_or_missed() -> None:
    """Given a cluster's topics, when some are required, then partitions are counted and missing ones named."""
    topics = {"a": topic(2), "empty": topic(0, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))}
    metadata: Any = SimpleNamespace(topics=topics)

    assert require_topics(metadata, ["a"]) == {"a": 2}
    with pytest.raises(KafkaStateError, match=r"no such topic: empty, c; .*topics create"):
        require_topics(metadata, ["a", "empty", "c"])


def test_a_topic_that_is_hidden_from_the_user_is_not_called_missing() -> None:
    """Given a topic that the broker denies, when it is required, then the right is missing, not the topic."""
    metadata: Any = SimpleNamespace(topics={"b": topic(0, KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))})

    with pytest.raises(KafkaRefused, match="denies READ or WRITE on topic b"):
        require_topics(metadata, ["b"])


def test_a_denied_right_is_named_where_it_is_known() -> None:
    """Given a needed operation, when a denial is explained, then the error names operation and resource."""
    denial = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)

    found = explain(denial, "a:1", {KafkaError.GROUP_AUTHORIZATION_FAILED: "READ on group g"})

    assert str(found) == "Kafka denies READ on group g; ask the cluster's owner for this right"


@pytest.mark.parametrize(
    ("servers", "protocol", "properties", "reason"),
    [
        ("kafka:9092", "plaintext", {}, "would cross the network to kafka unencrypted"),
        ("kafka:9092", "sasl_plaintext", {}, "would cross the network to kafka unencrypted"),
        (
            *("localhost:1", "plaintext", {"sasl.oauthbearer.token.endpoint.url": "http://login.example.com/t"}),
            "would cross the network to login.example.com unencrypted",
        ),
        ("localhost:1", "ssl", {"enable.ssl.certificate.verification": False}, "answer in the broker's place"),
        ("a:1", "ssl", {"ssl.endpoint.identification.algorithm": "none"}, "answer in the broker's place"),
    ],
)
def test_what_others_could_read_or_answer_needs_a_word(
    servers: str, protocol: Any, properties: dict[str, Any], reason: str
) -> None:
    """Given plaintext off this machine or no verification, when loaded, then it is refused unless insecure."""

    def settings(*, insecure: bool) -> KafkaSettings:
        return KafkaSettings(
            bootstrap_servers=servers, security_protocol=protocol, properties=properties, insecure=insecure
        )

    with pytest.raises(ValidationError, match=re.escape(reason)):
        settings(insecure=False)
    assert settings(insecure=True).bootstrap_servers == servers


@pytest.mark.parametrize(
    ("last", "error", "explained"),
    [
        (KafkaError._AUTHENTICATION, KafkaError._TRANSPORT, KafkaError._AUTHENTICATION),
        (KafkaError._RESOLVE, KafkaError._TIMED_OUT, KafkaError._RESOLVE),
        (None, KafkaError._TIMED_OUT, KafkaError._TIMED_OUT),
        (KafkaError._TRANSPORT, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (KafkaError._TRANSPORT, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_OR_PART),
    ],
)
def test_an_error_that_has_passed_hides_no_answer(last: int | None, error: int, explained: int) -> None:
    """Only a request without an answer is explained by what the client last complained of."""
    errors = ClientErrors()
    if last is not None:
        errors(KafkaError(last))

    assert errors.cause(KafkaError(error)).code() == explained
