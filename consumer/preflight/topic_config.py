"""What the configuration of the topics written to says of the records they take and keep. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.stream.records import Record

log = structlog.get_logger()

UNLIMITED_MS: Final = 2**63 - 1
_AFTER_MS: Final = 3_600_000
"""Kafka's default of `message.timestamp.after.max.ms` since 3.6."""
_MARGIN_MS: Final = 600_000
"""A broker compares a timestamp with its own clock, and some time after the record was encoded."""
_BATCH_FRAME_BYTES: Final = 128
"""Bytes of a batch of one record besides key, value and headers: 61 of the batch, at most 36 of the record."""
_DAY_MS: Final = 86_400_000


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
    retention_ms: int | None = None
    """How long a record is kept by its own timestamp; None: without end, or the broker stamps records itself."""

    @classmethod
    def of(cls, name: str, values: Mapping[str, str | None]) -> TopicConfig:
        """Reads what a broker answers; entries that an older broker lacks have their defaults."""
        policy = values.get("cleanup.policy") or "delete"
        unlimited = str(UNLIMITED_MS)
        difference = int(values.get("message.timestamp.difference.max.ms") or unlimited)  # before Kafka 4.0
        before = int(values.get("message.timestamp.before.max.ms") or unlimited)
        after = int(values.get("message.timestamp.after.max.ms") or unlimited)
        retention = int(values.get("retention.ms") or -1)
        # With LogAppendTime the broker writes its own time and checks none.
        by_record = values.get("message.timestamp.type", "CreateTime") == "CreateTime"
        return cls(
            name=name,
            known=True,
            compacted="compact" in policy,
            max_message_bytes=int(values.get("max.message.bytes") or cls("").max_message_bytes),
            before_ms=min(before, difference) if by_record else UNLIMITED_MS,
            after_ms=min(after, difference) if by_record else UNLIMITED_MS,
            retention_ms=retention if retention >= 0 and by_record and "delete" in policy else None,
        )

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


class Targets(NamedTuple):
    """The topics written to."""

    output: TopicConfig
    dlq: TopicConfig

    def max_batch_bytes(self, limit: int) -> int:
        """Bytes of the largest batch that both topics take, at most `limit`."""
        return min(limit, *(topic.max_message_bytes for topic in self))

    def problems(self, max_output_bytes: int) -> list[str]:
        """What does not fit together, each with what to do."""
        found = [
            f"{topic.name} takes {topic.max_message_bytes:,} bytes at most, less than limits.max_output_bytes "
            f"({max_output_bytes:,}) allows, so {what}; raise max.message.bytes of {topic.name} or lower the limit"
            for topic, what in (
                (self.output, "larger results become dead letters"),
                (self.dlq, "larger dead letters lose their values"),
            )
            if topic.max_record_bytes < max_output_bytes
        ]
        if self.dlq.compacted:
            found.append(
                f"{self.dlq.name} is compacted: it keeps only the last dead letter of a key and refuses those "
                f"without one, which ends a run with exit code 76; set cleanup.policy of {self.dlq.name} to delete"
            )
        return found


class FirstRecords(NamedTuple):
    """What the records that were read first say about those to come."""

    oldest_ms: int | None
    """The smallest timestamp in epoch milliseconds; None where no record has one."""
    keyless: bool
    """Whether one has no key."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> FirstRecords:
        """Looks at a batch."""
        stamps = (record.timestamp_ms for record in records if record.timestamp_ms is not None)
        return cls(min(stamps, default=None), any(record.key is None for record in records))


def first_problems(output: TopicConfig, first: FirstRecords, *, own_time: bool) -> dict[str, str]:
    """By event name what becomes of results of such records, and what to do.

    `own_time`: results carry the input's timestamp. A broker deletes by record timestamp: a result that carries
    an old input's is acknowledged and gone within minutes.
    """
    found: dict[str, str] = {}
    if output.compacted and first.keyless:
        found["results_without_key"] = (
            f"{output.name} is compacted and takes no record without a key, but the input has such records: their "
            f"results become dead letters; give the input keys, or set cleanup.policy of {output.name} to delete"
        )
    if not own_time or first.oldest_ms is None:
        return found
    age_ms = int(time.time() * 1000) - first.oldest_ms
    if age_ms > output.oldest_ms:
        found["timestamps_replaced"] = (
            f"{output.name} takes timestamps of at most {_days(output.before_ms)} ago "
            f"(message.timestamp.before.max.ms), but the input read first is {_days(age_ms)} old: results of such "
            "records carry the time of writing"
        )
    elif output.retention_ms is not None and age_ms > output.retention_ms:
        found["results_will_expire"] = (
            f"{output.name} keeps records for {_days(output.retention_ms)}, but the input read first is "
            f"{_days(age_ms)} old: results with its timestamp are deleted soon after they are written; raise "
            f"retention.ms of {output.name}, or run with --timestamps now"
        )
    return found


class FirstRecordsWatch:
    """Warns once, at the first records read, of what the output topic does not take or not keep of them."""

    def __init__(self, output: TopicConfig, *, own_time: bool) -> None:
        self._output = output
        self._own_time = own_time
        self._done = False

    def __call__(self, records: Sequence[Record]) -> None:
        """Looks at the first records; does nothing after that."""
        if self._done or not records:
            return
        self._done = True
        for event, problem in first_problems(
            self._output, FirstRecords.of(records), own_time=self._own_time
        ).items():
            log.warning(event, problem=problem)


def _days(milliseconds: int) -> str:
    days = milliseconds / _DAY_MS
    return f"{days:.0f} days" if days >= 2 else f"{milliseconds / 3_600_000:.1f} hours"  # noqa: PLR2004
