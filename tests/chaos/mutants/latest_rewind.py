"""Mutant: after a failed publish reading goes on at the end of the partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition


def apply() -> None:
    """Lets the end pass for the commit while it goes back."""
    committed = KafkaSource._committed  # noqa: SLF001

    def ends(self: KafkaSource, partitions: list[TopicPartition]) -> list[TopicPartition]:
        answer = committed(self, partitions)
        for place in answer:
            place.offset = self.client.get_watermark_offsets(place, timeout=10)[1]
        return answer

    def rewound(self: KafkaSource, *, carefully: bool = False) -> None:
        source: Any = self
        source._committed = ends.__get__(self)  # noqa: SLF001
        try:
            rewind(self, carefully=carefully)
        finally:
            del source._committed  # noqa: SLF001

    rewind = replace(KafkaSource, "rewind", rewound)
