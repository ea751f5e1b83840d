"""What the first records of the input show of what the output topic will not take or not keep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from consumer.preflight.problem import change, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.preflight.topic_config import TopicConfig
    from consumer.stream.records import Record

log = structlog.get_logger()

KEEP_MS: Final = 7 * 86_400_000
"""Kafka's own default of retention.ms, for readers that come later."""


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
            f"results become dead letters; give the input keys, or "
            f"{change(output.name, 'cleanup.policy', 'delete')}"
        )
    if not own_time or first.oldest_ms is None:
        return found
    age_ms = int(time.time() * 1000) - first.oldest_ms
    if age_ms > output.oldest_ms:
        found["timestamps_replaced"] = (
            f"{output.name} takes timestamps of at most {duration(output.before_ms)} ago "
            f"(message.timestamp.before.max.ms), but the input read first is {duration(age_ms)} old: results of "
            "such records carry the time of writing"
        )
    elif output.retention_ms is not None and output.deletes(age_ms):
        found["results_will_expire"] = (
            f"{output.name} keeps records for {duration(output.retention_ms)}, but the input read first is "
            f"{duration(age_ms)} old: results with its timestamp are deleted soon after they are written; "
            f"{change(output.name, 'retention.ms', age_ms + KEEP_MS)}, or --timestamps now"
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
