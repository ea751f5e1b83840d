"""What failed publishes teach: how many are too many, and which records Kafka refuses for ever."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from consumer.records import DeadLetter
from shared.errors import KafkaStateError, RecoveriesExhausted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumer.records import Document, PublishFailed, Record
    from consumer.settings import Limits


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
    """Records of which Kafka refuses the result, until their dead letters are published."""

    def __init__(self) -> None:
        self._why: dict[tuple[str, int, int], str] = {}

    def add(self, record: Record, why: str) -> None:
        """Notes that Kafka refuses what becomes of a record; KafkaStateError if that is its letter already."""
        place = (record.topic, record.partition, record.offset)
        if place in self._why:
            raise KafkaStateError(
                f"Kafka refuses the dead letter of {record.topic}-{record.partition}-{record.offset} ({why}); "
                "raise max.message.bytes of the dead-letter topic or lower limits.max_output_bytes"
            )
        self._why[place] = why

    def settle(self, published: Iterable[Record]) -> None:
        """Forgets what has been published."""
        for record in published if self._why else ():
            self._why.pop((record.topic, record.partition, record.offset), None)

    def separate(self, documents: list[Document]) -> tuple[list[Document], list[DeadLetter]]:
        """Takes out the documents whose results were refused, as dead letters."""
        if not self._why:
            return documents, []
        kept: list[Document] = []
        letters: list[DeadLetter] = []
        for document in documents:
            record = document.record
            why = self._why.get((record.topic, record.partition, record.offset))
            if why is None:
                kept.append(document)
            else:
                letters.append(DeadLetter(record, "publish", why, "Kafka refuses the result of this record"))
        return kept, letters
