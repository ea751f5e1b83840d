"""Mutant: commits the client's position, which is ahead of what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import consumer.outbox
from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import TopicPartition

    from consumer.records import Record


def apply() -> None:
    """Replaces what goes into the transaction."""
    clients: list[Any] = []

    def subscribed(self: KafkaSource) -> None:
        clients.append(self.client)
        subscribe(self)

    def positions(_consumed: Sequence[Record]) -> list[TopicPartition]:
        (client,) = clients
        return [place for place in client.position(client.assignment()) if place.offset >= 0]

    subscribe = replace(KafkaSource, "subscribe", subscribed)
    replace(consumer.outbox, "next_offsets", positions)
