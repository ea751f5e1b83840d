"""Between reading and scoring: which records are scored together, which alone, and which not at all.

A record is alone where it may have ended a process (`CrashLoop`), or where Kafka refused what became of one of
several records and did not say which. Used by the Kafka thread only.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from consumer.records import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.crash_loop import CrashLoop
    from consumer.records import Record

CRASHED: Final = "ProcessDied"
_REASON: Final = "the process ended again and again while it scored this record alone"


class Quarantine:
    """Records that were read and not yet handed out, in order."""

    def __init__(self, crash_loop: CrashLoop, *, reach: int) -> None:
        """`reach`: records that a process may have in hand."""
        self._crash_loop = crash_loop
        self._reach = reach
        self._waiting: deque[Record] = deque()
        self._one_by_one = 0
        """The next records that are handed out alone since Kafka refused one of them."""

    @property
    def is_careful(self) -> bool:
        """Whether the next record is to be handed out alone: then `take` wants nothing else in hand."""
        while self._waiting and not self._waiting[0].owner.held:
            self._waiting.popleft()
        return bool(self._waiting) and self._is_alone(self._waiting[0])

    def add(self, records: Sequence[Record]) -> None:
        """Takes what was read; counts this life, in one commit, at partitions whose first record is among it."""
        self._crash_loop.read(records)
        self._waiting.extend(records)

    def take(self, max_records: int, *, alone: bool) -> list[Record]:
        """Hands out records in order, up to the first that is to be alone; just that one where nothing is in hand.

        `alone`: nothing is in hand. A record that may have ended a process is counted just before, in one commit.
        """
        taken: list[Record] = []
        while self._waiting and len(taken) < max_records:
            record = self._waiting[0]
            if record.owner.held and self._is_alone(record):
                if alone and not taken:
                    taken.append(self._take_alone())
                break
            self._waiting.popleft()
            if record.owner.held:
                taken.append(record)
        return taken

    def condemned(self, records: Iterable[Record]) -> list[DeadLetter]:
        """The dead letters of records that ended too many processes: they are not scored again."""
        return [
            DeadLetter(record, "score", CRASHED, _REASON)
            for record in records
            if self._crash_loop.is_condemned(record)
        ]

    def scored(self, records: Sequence[Record]) -> None:
        """Takes back the count of a record that was scored alone; raises PublishFailed."""
        if len(records) == 1:
            self._crash_loop.survived(records[0])

    def one_by_one(self) -> None:
        """Drops what waits, and hands the next records out alone: Kafka refused one, but not which."""
        self.clear()
        self._one_by_one = self._reach

    def clear(self) -> None:
        """Drops what waits; it is read again."""
        self._waiting.clear()

    def _take_alone(self) -> Record:
        record = self._waiting.popleft()
        self._one_by_one = max(0, self._one_by_one - 1)
        if self._crash_loop.is_suspect(record) and not self._crash_loop.is_condemned(record):
            self._crash_loop.score_alone(record)
        return record

    def _is_alone(self, record: Record) -> bool:
        return self._one_by_one > 0 or self._crash_loop.is_suspect(record)
