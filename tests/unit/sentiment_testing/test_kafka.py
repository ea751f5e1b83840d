"""Which Kafka is chosen, what is said where there is none, and how a container of Apache's image begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sentiment_testing.errors import BrokerError, ConsumerError, NoBrokerError
from sentiment_testing.kafka import ADDRESS_VARIABLE, start_kafka
from sentiment_testing.kafka.containers import APACHE_VARIABLES, is_apache, start_script
from sentiment_testing.process import ConsumerProcess, console_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Java and without a Docker engine."""
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker.sock")


@pytest.mark.usefixtures("nothing")
def test_says_what_was_tried_and_what_to_do() -> None:
    """Given no name, no Docker and no Java, when a real Kafka is asked for, then the error says what to do."""
    with pytest.raises(NoBrokerError) as caught, start_kafka(("named", "docker", "java")):
        pass
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  - a named broker: {ADDRESS_VARIABLE} is not set"
    assert lines[2].startswith("  - Docker: no engine answers")
    assert lines[2].endswith("start Docker, or set DOCKER_HOST")
    assert lines[3] == "  - local Java process: no java on the PATH or in JAVA_HOME; install Java 17 or later"


@pytest.mark.usefixtures("nothing")
def test_the_mock_says_what_it_cannot_do_and_why_it_was_taken() -> None:
    """Given no real Kafka, when any kind will do, then the mock's description has its limits and the reasons."""
    with start_kafka() as broker:
        assert broker.is_mock
        assert "applies no transactions" in broker.description
        assert "no java on the PATH" in broker.description


def test_a_named_broker_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the address of a broker that does not answer, when a Kafka is started, then that is an error."""
    monkeypatch.setenv(ADDRESS_VARIABLE, "127.0.0.1:1")
    monkeypatch.setattr("sentiment_testing.kafka.broker.NAMED_S", 0.1)
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1, but no broker answers there; start it"), start_kafka():
        pass


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("apache/kafka:4.3.1", True),
        ("apache/kafka-native:4.3.1", True),
        ("registry.example:5000/apache/kafka:4.3.1", True),
        (f"docker.io/apache/kafka@sha256:{'0' * 64}", True),
        ("confluentinc/cp-kafka:8.2.3", False),
        ("example/apache-kafka:1", False),
    ],
)
def test_images_of_apache_have_a_container_of_their_own(image: str, *, expected: bool) -> None:
    """Given an image, when its container is chosen, then its repository decides, whatever registry and tag."""
    assert is_apache(image) is expected


def test_the_container_advertises_the_address_of_clients() -> None:
    """Given the mapped address, when the script is made, then clients get it, and each listener has a protocol."""
    advertised, start = start_script("localhost:32768").splitlines()
    assert advertised.endswith("=PLAINTEXT://localhost:32768,BROKER://localhost:9093")
    assert start == "exec /etc/kafka/docker/run"
    names = [one.partition(":")[0] for one in APACHE_VARIABLES["KAFKA_LISTENERS"].split(",")]
    protocols = APACHE_VARIABLES["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert sorted(names) == sorted(one.partition(":")[0] for one in protocols)


def test_a_missing_console_script_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given an environment without the consumer, when it is to be started, then the error says what to install."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConsumerError, match=r"pip install 'sentiment-stream\[testing\]'"):
        console_script()


def test_a_consumer_that_ends_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    """Given a command that ends, when its log is waited for, then the error has its code and last lines."""
    process = ConsumerProcess(tmp_path / "log", command=("sh", "-c", "echo error: no broker >&2; exit 69"))
    with pytest.raises(ConsumerError, match=r"exit code 69; its last lines:\nerror: no broker"):
        process.await_log("ready")


def test_settings_of_this_process_are_not_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given SENTIMENT_ and PYTHONPATH variables here, when a consumer starts, then it has those of `env` only."""
    monkeypatch.setenv("SENTIMENT_GROUP_ID", "ours")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = ConsumerProcess(tmp_path / "log", command=("sh", "-c", "env >&2"), env={"SENTIMENT_MODEL": "m"})
    assert process.wait() == 0
    names = {line.partition("=")[0] for line in process.log.splitlines()}
    assert {name for name in names if name.startswith("SENTIMENT_")} == {"SENTIMENT_MODEL"}
    assert "PYTHONPATH" not in names
