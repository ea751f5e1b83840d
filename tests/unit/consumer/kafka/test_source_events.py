"""The source reports every rebalance to its observer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition

from consumer.events import PartitionsAssigned, PartitionsRevoked
from consumer.kafka import source
from consumer.settings import ConsumerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from consumer.events import Event


class Client:
    """A client without a broker that keeps the rebalance callbacks and takes every assignment."""

    def subscribe(self, _topics: list[str], **callbacks: Callable[[Client, list[TopicPartition]], None]) -> None:
        """Keeps the callbacks."""
        self.callbacks = callbacks

    def incremental_assign(self, _partitions: list[TopicPartition]) -> None:
        """Does nothing."""

    def incremental_unassign(self, _partitions: list[TopicPartition]) -> None:
        """Does nothing."""


def test_a_rebalance_is_told_in_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given three partitions, when one is revoked and one lost, then each event names them and what is left."""
    client = Client()
    events: list[Event] = []
    monkeypatch.setattr(source, "Consumer", lambda _: client)
    monkeypatch.setattr(source, "AdminClient", lambda _: None)
    source.KafkaSource(ConsumerSettings(), events.append).subscribe()

    client.callbacks["on_assign"](client, [TopicPartition("texts", number) for number in range(3)])
    client.callbacks["on_revoke"](client, [TopicPartition("texts", 2)])
    client.callbacks["on_lost"](client, [TopicPartition("texts", 0)])

    assert events == [
        PartitionsAssigned((("texts", 0), ("texts", 1), ("texts", 2)), owned=3),
        PartitionsRevoked((("texts", 2),), owned=2),
        PartitionsRevoked((("texts", 0),), owned=1, is_lost=True),
    ]
