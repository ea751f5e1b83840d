"""Mutant: after a failed publish reading goes on at the end of the partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition


class _Ends:
    """Tells the end of a partition for what is committed there."""

    def __init__(self, source: KafkaSource, offsets: Any) -> None:
        self._source = source
        self._offsets = offsets

    def committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The right places at the wrong offsets."""
        answer: list[TopicPartition] = self._offsets.committed(partitions)
        for place in answer:
            place.offset = self._source.client.get_watermark_offsets(place, timeout=10)[1]
        return answer


def apply() -> None:
    """Lets the end pass for the commit while it goes back."""

    def rewound(self: KafkaSource, *, carefully: bool = False) -> None:
        source: Any = self
        offsets, source._offsets = source._offsets, _Ends(self, source._offsets)  # noqa: SLF001
        try:
            rewind(self, carefully=carefully)
        finally:
            source._offsets = offsets  # noqa: SLF001

    rewind = replace(KafkaSource, "rewind", rewound)
