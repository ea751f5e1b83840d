"""Fixtures of the contract tests that run only on a real Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.transports import KafkaTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentiment_testing.kafka import Broker, MakeTopic


@pytest.fixture
def transport(kafka: Broker, topic: MakeTopic, request: pytest.FixtureRequest) -> Iterator[KafkaTransport]:
    """Kafka, exactly once unless a test chooses otherwise."""
    found = KafkaTransport(kafka, topic, getattr(request, "param", "exactly-once"))
    yield found
    found.close()


@pytest.fixture(params=["classic", "consumer"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Both group protocols."""
    return str(request.param)
