"""Between reading and scoring: which records are scored together, which alone, and which not at all.

A record is alone where it may have ended a process (`CrashLoop`), or where Kafka refused what became of one of
several records and did not say which. Used by the Kafka thread only.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from consumer.stream.records import DeadLetter
from shared.reasons import Reason, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.crash_loop import CrashLoop
    from consumer.stream.records import Record

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
        self._is_one_out = False
        """Whether a record was handed out alone and has no score yet."""

    @property
    def is_careful(self) -> bool:
        """Whether a record is scored alone, or is to be next: nothing else is to be fetched or scored."""
        # A revoked record at the head must not decide for those behind it.
        while self._waiting and not self._waiting[0].owner.held:
            self._waiting.popleft()
        return self._is_one_out or (bool(self._waiting) and self._is_alone(self._waiting[0]))

    def add(self, records: Sequence[Record]) -> None:
        """Takes what was read; counts this run, in one commit, at partitions whose first record is among it."""
        self._crash_loop.read(records)
        self._waiting.extend(records)

    def take(self, max_records: int) -> list[Record]:
        """Hands out records that are still held, in order, up to the first that is to be alone."""
        # Asked of each record, `is_careful` costs 0.34 us; mostly nothing can be alone.
        some_alone = self._one_by_one or self._is_one_out or self._crash_loop.has_suspects
        taken: list[Record] = []
        while self._waiting and len(taken) < max_records and not (some_alone and self.is_careful):
            # Costs 0.08 us a record. Without it revoked records were scored, and counted by --max-messages.
            if self._waiting and (record := self._waiting.popleft()).owner.held:
                taken.append(record)
        return taken

    def take_alone(self) -> list[Record]:
        """Hands out one record; call it while `is_careful`, nothing is in hand and nothing is being fetched.

        If it may have ended a process, this run is counted just before, in one commit.
        """
        record = self._waiting.popleft()
        self._is_one_out = True
        self._one_by_one = max(0, self._one_by_one - 1)
        # A condemned record is not scored, so no pass is to be counted.
        if self._crash_loop.is_suspect(record) and not self._crash_loop.is_condemned(record):
            self._crash_loop.score_alone(record)
        return [record]

    def condemned(self, records: Sequence[Record]) -> list[DeadLetter]:
        """The dead letter of a record, handed out alone, that ended too many processes: it is not scored again."""
        if len(records) == 1 and self._crash_loop.is_condemned(records[0]):
            return [DeadLetter(records[0], Stage.SCORE, Reason.PROCESS_DIED, _REASON)]
        return []

    def scored(self, records: Sequence[Record]) -> None:
        """Takes back the count of a record that was scored alone; raises PublishFailed."""
        if len(records) == 1:
            self._crash_loop.survived(records[0])
        self._is_one_out = False

    def one_by_one(self) -> None:
        """Drops what waits, and hands the next records out alone: Kafka refused one, but not which."""
        self.clear()
        # The refused record was in hand, and no more than `reach` records were.
        self._one_by_one = self._reach

    def clear(self) -> None:
        """Drops what waits; it is read again."""
        self._waiting.clear()
        self._is_one_out = False

    def _is_alone(self, record: Record) -> bool:
        return self._one_by_one > 0 or self._crash_loop.is_suspect(record)
