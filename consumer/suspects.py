"""Breaking a crash loop: finds the record that ends the process, so that it can be dead-lettered.

A text that kills the process (a segmentation fault, a device assert, the kernel's out-of-memory killer)
comes again after every restart. So each commit carries, as its metadata, how many starts have read the
record there without getting past it: `attempts=2`. It is raised when a partition's first record is read,
before it is scored, and gone with the next commit, so it costs one commit per assignment. It is kept by
Kafka, not by a file, because the next start may be on another machine.

After `deaths` ends the records of what may have been in hand are handed out one at a time, each with
nothing else in hand and counted just before; one that was tried alone ALONE_DEATHS times is condemned.
A rebalance counts like a start; what that costs is a while of scoring one by one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.records import Record

log = structlog.get_logger()

ALONE_DEATHS: Final = 2
"""So often a record that is scored alone may end the process: the first time may be a coincidence."""

_PREFIX: Final = "attempts="

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Caution:
    """What is known of one assigned partition's crashes; outlives rewinds, ends with the assignment."""

    attempts: int
    """Starts that have read the next record without getting past it, this one included."""
    left: int = 0
    """So many of the next records are handed out alone."""
    tried: int | None = None
    """Offset of the record that this process has counted and handed out alone."""
    condemned: int | None = None
    """Offset of the record that ended too many processes."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A committed offset, or one to be committed, with its count; an offset below 0 means none."""

    place: Place
    offset: int
    attempts: int


class Suspects:
    """Records that were read and not yet handed out. Used by the Kafka thread only."""

    def __init__(
        self,
        *,
        deaths: int,
        reach: int,
        committed: Callable[[list[Place]], list[Commit]],
        commit: Callable[[list[Commit]], None],
    ) -> None:
        """`deaths` is at least 2; `reach`: so many records of a partition a process may have in hand."""
        # The first death came in a life that had got as far as here, so no start has counted it.
        self._starts = deaths - 1
        self._reach = reach
        self._committed = committed
        self._commit = commit
        self._waiting: deque[Record] = deque()

    @property
    def waiting(self) -> bool:
        """Whether there is something to hand out without reading."""
        self._drop_stale()
        return bool(self._waiting)

    @property
    def careful(self) -> bool:
        """Whether the next record is to be handed out alone: then `take` wants nothing else in hand."""
        return self.waiting and self._is_suspect(self._waiting[0])

    def add(self, records: Sequence[Record]) -> None:
        """Takes what was read, in order, and counts this start for partitions that were read first now."""
        fresh: dict[Place, Record] = {}
        for record in records:
            if record.owner.caution is None:
                fresh.setdefault((record.topic, record.partition), record)
        if fresh:
            self._count(fresh)
        self._waiting.extend(records)

    def take(self, max_records: int, *, alone: bool) -> list[Record]:
        """Hands out records in order: up to the first suspect, or with `alone` just that one."""
        taken: list[Record] = []
        while self._waiting and len(taken) < max_records:
            record = self._waiting.popleft()
            if not record.owner.held:
                continue
            if not self._is_suspect(record):
                taken.append(record)
            elif alone and not taken:
                return [self._try_alone(record)]
            else:
                self._waiting.appendleft(record)
                break
        return taken

    def be_careful(self, owned: Iterable[Caution | None]) -> None:
        """Hands the next records of these partitions out alone: Kafka refused one, but not which."""
        for caution in owned:
            if caution is not None:
                caution.left = self._reach

    def _count(self, fresh: dict[Place, Record]) -> None:
        marks: list[Commit] = []
        for found in self._committed(list(fresh)):
            record = fresh[found.place]
            offset = record.offset if found.offset < 0 else found.offset
            if found.attempts < self._starts:
                record.owner.caution = Caution(found.attempts + 1)
                marks.append(Commit(found.place, offset, found.attempts + 1))
                continue
            record.owner.caution = caution = Caution(found.attempts, left=self._reach)
            if found.attempts >= self._starts + ALONE_DEATHS:
                caution.condemned = record.offset
            log.warning(
                "crash_loop",
                partition=f"{record.topic}-{record.partition}",
                offset=record.offset,
                attempts=found.attempts,
                condemned=caution.condemned is not None,
            )
        if marks:
            self._commit(marks)

    def _try_alone(self, record: Record) -> Record:
        caution = record.owner.caution
        if caution is not None:
            caution.left -= 1
            if record.offset != caution.tried:
                if record.offset != caution.condemned:
                    attempts = max(caution.attempts, self._starts) + 1
                    self._commit([Commit((record.topic, record.partition), record.offset, attempts)])
                # The commit after this record will carry as much, see `carried`.
                caution.attempts, caution.tried = self._starts, record.offset
        return record

    def _is_suspect(self, record: Record) -> bool:
        return record.owner.caution is not None and record.owner.caution.left > 0

    def _drop_stale(self) -> None:
        while self._waiting and not self._waiting[0].owner.held:
            self._waiting.popleft()


def carried(record: Record) -> int:
    """The count that goes with the commit after `record`: none, unless the next is a suspect too."""
    caution = record.owner.caution
    return caution.attempts if caution is not None and caution.left else 0


def as_metadata(attempts: int) -> str:
    """Writes the count as a commit's metadata; none is the empty string."""
    return f"{_PREFIX}{attempts}" if attempts else ""


def from_metadata(metadata: str | None) -> int:
    """Reads the count; 0 where the metadata is missing or somebody else's."""
    digits = (metadata or "").removeprefix(_PREFIX)
    return int(digits) if (metadata or "").startswith(_PREFIX) and digits.isdecimal() else 0
