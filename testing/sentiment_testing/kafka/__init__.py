"""A Kafka for tests: named, in a container, as a Java process, or librdkafka's mock cluster."""

from sentiment_testing.errors import BrokerError, NoBrokerError, UnavailableError
from sentiment_testing.kafka.broker import ADDRESS_VARIABLE, SETTINGS, Broker, answers
from sentiment_testing.kafka.choice import ALL, REAL, Kind, start_kafka
from sentiment_testing.kafka.containers import docker_kafka
from sentiment_testing.kafka.java import LocalNode, local_kafka, local_node
from sentiment_testing.kafka.mock import mock_kafka
from sentiment_testing.kafka.topics import MakeTopic

__all__ = [
    "ADDRESS_VARIABLE",
    "ALL",
    "REAL",
    "SETTINGS",
    "Broker",
    "BrokerError",
    "Kind",
    "LocalNode",
    "MakeTopic",
    "NoBrokerError",
    "UnavailableError",
    "answers",
    "docker_kafka",
    "local_kafka",
    "local_node",
    "mock_kafka",
    "start_kafka",
]
