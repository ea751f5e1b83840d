"""The configuration of a topic as far as it matters to whoever writes to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLIMITED_MS: Final = 2**63 - 1
_AFTER_MS: Final = 3_600_000
"""Kafka's default of `message.timestamp.after.max.ms` since 3.6."""
_MARGIN_MS: Final = 600_000
"""A broker compares a timestamp with its own clock, and some time after the record was encoded."""
_BATCH_FRAME_BYTES: Final = 128
"""Bytes of a batch of one record besides key, value and headers: 61 of the batch, at most 36 of the record."""


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's configuration as far as it matters to a writer; what is not known has Kafka's default."""

    name: str
    known: bool = False
    """Whether the broker has answered: to be asked takes the right DESCRIBE_CONFIGS."""
    compacted: bool = False
    """Whether it refuses records without a key and may keep only the last of each key."""
    # Not Kafka's default: a guess would make dead letters of results that the topic takes.
    max_message_bytes: int = 2**31 - 1
    """Bytes of a batch as it is written, its frame included; no bound where it is not known."""
    before_ms: int = UNLIMITED_MS
    after_ms: int = _AFTER_MS
    """How far behind or ahead of the broker's clock the timestamp of a record may be."""
    stamped_by_broker: bool = False
    """Whether the broker replaces the timestamp of each record by its own time (LogAppendTime)."""
    retention_ms: int | None = None
    """How long a record is kept after its timestamp; None: without end."""
    retention_bytes: int | None = None
    """Bytes of a partition that are kept; None: all."""
    min_insync: int = 1
    """Replicas that must be in sync for a write, as it is set; see `Layout`."""
    unclean_election: bool = False
    """Whether a replica that lacks acknowledged records may become leader."""

    @classmethod
    def of(cls, name: str, values: Mapping[str, str | None]) -> TopicConfig:
        """Reads what a broker answers; entries that an older broker lacks have their defaults."""
        policy = values.get("cleanup.policy") or "delete"
        unlimited = str(UNLIMITED_MS)
        difference = int(values.get("message.timestamp.difference.max.ms") or unlimited)  # before Kafka 4.0
        before = int(values.get("message.timestamp.before.max.ms") or unlimited)
        after = int(values.get("message.timestamp.after.max.ms") or unlimited)
        # With LogAppendTime the broker writes its own time and checks none.
        by_record = values.get("message.timestamp.type", "CreateTime") == "CreateTime"
        return cls(
            name=name,
            known=True,
            compacted="compact" in policy,
            max_message_bytes=int(values.get("max.message.bytes") or cls("").max_message_bytes),
            before_ms=min(before, difference) if by_record else UNLIMITED_MS,
            after_ms=min(after, difference) if by_record else UNLIMITED_MS,
            stamped_by_broker=not by_record,
            retention_ms=_bound(values.get("retention.ms")) if "delete" in policy else None,
            retention_bytes=_bound(values.get("retention.bytes")) if "delete" in policy else None,
            min_insync=int(values.get("min.insync.replicas") or 1),
            unclean_election=values.get("unclean.leader.election.enable") == "true",
        )

    def deletes(self, age_ms: int) -> bool:
        """Whether a record whose timestamp is so old is deleted soon after it was written."""
        return not self.stamped_by_broker and self.retention_ms is not None and age_ms > self.retention_ms

    @property
    def max_record_bytes(self) -> int:
        """Bytes of key, value and headers of the largest record that the topic surely takes."""
        return max(1, self.max_message_bytes - _BATCH_FRAME_BYTES)

    @property
    def oldest_ms(self) -> int:
        """Timestamps further back than this, in milliseconds, might be refused."""
        # A sixth at most: ten minutes would leave nothing of a short bound.
        return self.before_ms - min(_MARGIN_MS, self.before_ms // 6)

    @property
    def newest_ms(self) -> int:
        """Timestamps further ahead than this, in milliseconds, might be refused: 50 minutes by default."""
        return self.after_ms - min(_MARGIN_MS, self.after_ms // 6)


def _bound(value: str | None) -> int | None:
    """A retention; -1 means that there is none."""
    return int(value) if value and int(value) >= 0 else None


class Layout(NamedTuple):
    """How a topic is spread over the brokers, of its worst partition; known to whoever may read or write it."""

    partitions: int
    replicas: int
    """Copies of a partition, its leader's included: the replication factor."""
    in_sync: int
    """Those of them that have all that was acknowledged."""


class Targets(NamedTuple):
    """The topics written to."""

    output: TopicConfig
    dlq: TopicConfig

    def max_batch_bytes(self, limit: int) -> int:
        """Bytes of the largest batch that both topics take, at most `limit`."""
        return min(limit, *(topic.max_message_bytes for topic in self))
