"""Counts failed publishes, and remembers records that Kafka refuses each time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from consumer.stream.records import DeadLetter, Deletion, Document
from shared.errors import KafkaStateError, RecoveriesExhausted
from shared.reasons import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumer.preflight.topic_config import Targets, TopicConfig
    from consumer.settings import Limits
    from consumer.stream.records import PublishFailed, Record

D = TypeVar("D", Document, Deletion)

_REMEDY: Final = "look at the configuration of {}"
_REMEDIES: Final = {
    "INVALID_RECORD": "set cleanup.policy of {} to delete",
    "MSG_SIZE_TOO_LARGE": "raise max.message.bytes of {} or lower limits.max_output_bytes",
    "RECORD_LIST_TOO_LARGE": "raise max.message.bytes of {} or lower limits.max_output_bytes",
}


class RecoveryCap:
    """Ends the process when publishing fails too often: a fresh one on another machine may fare better."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._failed_at: deque[float] = deque()

    def count(self, failure: PublishFailed) -> int:
        """Counts a failure; returns how many there were within the window, RecoveriesExhausted if too many."""
        now, window_s = self._clock(), self._limits.recovery_window_s
        self._failed_at.append(now)
        while now - self._failed_at[0] > window_s:
            self._failed_at.popleft()
        recent = len(self._failed_at)
        if recent > self._limits.max_recoveries:
            raise RecoveriesExhausted(
                f"publishing failed {recent} times in {window_s:g} s, last: {failure}; "
                "nothing is lost: start again once Kafka is well"
            )
        return recent


class Refusals:
    """Records whose results Kafka refuses, until their dead letters are published."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._why: dict[tuple[str, int, int], str] = {}

    def add(self, record: Record, why: str) -> None:
        """Notes that Kafka refuses what becomes of a record; KafkaStateError if that is its letter already.

        `why` is the broker's name for the error.
        """
        place = (record.topic, record.partition, record.offset)
        if place in self._why:
            dlq = self._targets.dlq
            raise KafkaStateError(
                f"Kafka refuses the dead letter of {record.topic}-{record.partition}-{record.offset} ({why}): "
                f"{_cause(why, record, dlq)}; {_REMEDIES.get(why, _REMEDY).format(dlq.name)}"
            )
        self._why[place] = why

    def settle(self, published: Iterable[Record]) -> None:
        """Forgets what has been published."""
        for record in published if self._why else ():
            self._why.pop((record.topic, record.partition, record.offset), None)

    def separate(self, decoded: list[D]) -> tuple[list[D], list[DeadLetter]]:
        """Takes out those whose results were refused, as dead letters that name the cause."""
        if not self._why:
            return decoded, []
        kept: list[D] = []
        letters: list[DeadLetter] = []
        for one in decoded:
            record = one.record
            why = self._why.get((record.topic, record.partition, record.offset))
            if why is None:
                kept.append(one)
            else:
                letters.append(DeadLetter(record, Stage.PUBLISH, why, _cause(why, record, self._targets.output)))
        return kept, letters


def _cause(why: str, record: Record, topic: TopicConfig) -> str:
    """What a broker means by an error that it gives a record."""
    if why == "INVALID_RECORD" and record.key is None:
        return f"{topic.name} takes no record without a key, as is the rule of compacted topics (cleanup.policy)"
    if why == "INVALID_TIMESTAMP":
        return (
            f"its timestamp is further from the broker's clock than {topic.name} takes "
            "(message.timestamp.before.max.ms, message.timestamp.after.max.ms)"
        )
    if why in {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"}:
        size = f"{topic.max_message_bytes:,} bytes" if topic.known else "a size that is not known to this user"
        return f"it is larger than {topic.name} takes (max.message.bytes, at the start {size})"
    return f"{topic.name} does not take it"
