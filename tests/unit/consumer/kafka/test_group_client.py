"""The properties of the group's client."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer

from consumer.kafka.group_client import group_client_config
from consumer.settings import ConsumerSettings
from shared.kafka.errors import ClientErrors
from shared.kafka.settings import KafkaSettings

KEY = "session.timeout.ms"


@pytest.mark.parametrize(
    ("protocol", "properties", "expected"),
    [
        ("classic", {}, 8_000),
        ("classic", {KEY: 45_000}, 45_000),
        ("classic", {"max.poll.interval.ms": 8_000}, 8_000),
        ("consumer", {}, None),
    ],
)
def test_a_killed_process_is_missed_soon(protocol: str, properties: dict[str, int], expected: int | None) -> None:
    """Given a group protocol, when the client is built, then librdkafka takes it: 8 s, theirs, or the broker's."""
    settings = ConsumerSettings.model_validate(
        {"group_protocol": protocol, "kafka": KafkaSettings.model_validate({"properties": properties})}
    )
    config = group_client_config(settings, ClientErrors())
    assert config.get(KEY) == expected
    Consumer(config).close()
