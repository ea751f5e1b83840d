"""Topics for one test."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sentiment_testing.errors import BrokerError
from sentiment_testing.kafka.broker import ADDRESS_VARIABLE
from sentiment_testing.kafka.mock import PARTITIONS as MOCK_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentiment_testing.kafka.broker import Broker

VISIBLE_S: Final = 20.0


class MakeTopic:
    """Called with a name: creates a topic that no other test uses, and returns its full name.

    Topics keep their records whatever the timestamps (retention.ms=-1): a broker deletes by record timestamp, so
    under the default retention records with old ones vanish within seconds. A test of retention gives its own in
    `config`. On the mock cluster each has four partitions and no configuration.
    """

    def __init__(self, broker: Broker) -> None:
        settings: dict[str, Any] = {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}
        self._is_mock = broker.is_mock
        self._client = Producer(settings) if broker.is_mock else AdminClient(settings)
        self._created: list[str] = []

    def __call__(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Returns `name` with a random ending, once all partitions have a leader; raises BrokerError."""
        full_name = f"{name}-{uuid4().hex[:8]}"
        if isinstance(self._client, AdminClient):
            request = NewTopic(full_name, partitions, config={"retention.ms": "-1", **(config or {})})
            self._client.create_topics([request])[full_name].result()
        # Of the mock, the first question for a topic creates it.
        self._await_visible(full_name, MOCK_PARTITIONS if self._is_mock else partitions)
        self._created.append(full_name)
        return full_name

    def close(self) -> None:
        """Removes the topics from a broker that is not ours; the others end with their topics."""
        if self._created and isinstance(self._client, AdminClient) and os.environ.get(ADDRESS_VARIABLE):
            for deleted in self._client.delete_topics(self._created).values():
                deleted.exception()  # waits; a topic that is left over fails no test

    def _await_visible(self, name: str, partitions: int) -> None:
        deadline = time.monotonic() + VISIBLE_S
        while time.monotonic() < deadline:
            found = self._client.list_topics(topic=name, timeout=VISIBLE_S).topics[name]
            leaders = [partition.leader for partition in found.partitions.values()]
            if found.error is None and len(leaders) == partitions and min(leaders) >= 0:
                return
            time.sleep(0.02)
        raise BrokerError(f"topic {name} was created but is not in the broker's metadata after {VISIBLE_S:.0f} s")
