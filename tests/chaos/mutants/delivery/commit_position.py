"""Mutant: commits the client's position, which is ahead of what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.kafka.commit_metadata import Commit
from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.stream.records import Record


def apply() -> None:
    """Replaces the offsets to commit."""

    def positions(self: KafkaSource, _records: Sequence[Record]) -> list[Commit]:
        client: Any = self._consumer
        places = client.position(client.assignment())
        return [Commit((place.topic, place.partition), place.offset) for place in places if place.offset >= 0]

    replace(KafkaSource, "commits_after", positions)
