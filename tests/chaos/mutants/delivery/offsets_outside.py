"""Mutant: the consumer commits offsets after the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.kafka.outbox import ExactlyOnceOutbox
from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.commit_metadata import Commit
    from consumer.stream.records import Outgoing


class _NoOffsets:
    """A producer whose transactions carry no offsets."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def send_offsets_to_transaction(self, *_: object) -> None:
        """Leaves them out."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


def apply() -> None:
    """Replaces the publish."""
    sources: list[KafkaSource] = []

    def subscribed(self: KafkaSource) -> None:
        sources.append(self)
        subscribe(self)

    def published(
        self: ExactlyOnceOutbox,
        results: Sequence[Outgoing],
        dead_letters: Sequence[Outgoing],
        commits: Sequence[Commit],
    ) -> None:
        sender: Any = self._sender
        if self._suspect:
            self.reset()
        producer, sender.producer = sender.producer, _NoOffsets(sender.producer)
        try:
            publish(self, results, dead_letters, commits)
        finally:
            sender.producer = producer
        sources[0].commit(commits)

    subscribe = replace(KafkaSource, "subscribe", subscribed)
    publish = replace(ExactlyOnceOutbox, "publish", published)
