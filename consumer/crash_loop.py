"""Breaking a crash loop: finds what ends the process without a word, so that the stream goes on without it.

A text that kills the process (a segmentation fault, a device assert, the kernel's out-of-memory killer) comes
again after every restart, and so does a record batch that unpacks to more than the memory. No handler runs
then, so each life counts itself beforehand in the metadata of the commit that it begins at (`CommitMetadata`):

    fetching   before its first fetch of a partition; taken back at the first record, or at the partition's end
    crashes    at the first record; gone with the next commit that moves on
    alone      before one record is scored alone; taken back once it has its score

An end in order takes back what still counts: `withdraw`. What is left says that a life ended without a word.

After `max_crashes` lives the records of what may have been in hand are scored one at a time, with nothing else in
hand; one during whose pass ALONE_CRASHES lives ended is condemned. After `max_crashes` lives that had not even a
first record the process ends with exit code 76: it can name the position, but not read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from consumer.commit_metadata import Commit, CommitMetadata, Place, reset_command
from consumer.records import PublishFailed
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.records import Record

log = structlog.get_logger()

ALONE_CRASHES: Final = 2
"""Lives that may end while they score one record alone before it is condemned: the first may be a coincidence."""


@dataclass(slots=True)
class _Partition:
    """What is known of the crashes at one owned partition."""

    offset: int
    """The committed offset at which this life counted itself."""
    before: CommitMetadata
    """What an end in order restores: the lives before this one."""
    counted: CommitMetadata | None
    """What is committed at `offset` now; None once a commit has moved on."""
    is_fetching: bool = True
    """Whether neither a record nor the end of the partition has come."""
    suspects: int = 0
    """The next records that are scored alone."""
    condemned: int | None = None
    """Offset of the record that ended too many lives."""
    alone: int | None = None
    """Offset of the record that is counted as scored alone."""


class CrashLoop:
    """The counts of the owned partitions. Used by the Kafka thread only; `ask` and `commit` block."""

    def __init__(
        self,
        *,
        max_crashes: int,
        reach: int,
        group: str,
        ask: Callable[[list[Place]], list[Commit]],
        commit: Callable[[list[Commit]], None],
    ) -> None:
        """`reach`.

        Records of a partition that a process may have in hand. `ask` and `commit` raise PublishFailed.
        """
        self._max_crashes = max_crashes
        self._reach = reach
        self._group = group
        self._ask = ask
        self._commit = commit
        self._partitions: dict[Place, _Partition] = {}
        self._changed: set[Place] = set()
        """Partitions whose first record or end has come, and whose count says otherwise."""

    def begin(self, commits: Sequence[Commit]) -> list[Place]:
        """Counts this life at the partitions that may be fetched now, and returns them; offer the others again.

        Partitions where a life ended before its first record are fetched one at a time, so that the count of
        one does not rise for what another does. Raises KafkaStateError where too many lives ended so, and
        PublishFailed where nothing could be counted.
        """
        begun: list[Commit] = []
        probing = any(one.is_fetching and one.before.fetching for one in self._partitions.values())
        for found in sorted(commits, key=lambda one: one.metadata.fetching):
            was = found.metadata
            if was.fetching >= self._max_crashes:
                raise KafkaStateError(self._unfetchable(found))
            if was.fetching and (probing or begun):
                break
            begun.append(found._replace(metadata=was._replace(fetching=was.fetching + 1)))
            probing = probing or was.fetching > 0
        if begun:
            self._commit(begun)
        for one in begun:
            before = one.metadata._replace(fetching=one.metadata.fetching - 1)
            self._partitions[one.place] = _Partition(one.offset, before, one.metadata)
        return [one.place for one in begun]

    def reached_end(self, place: Place) -> None:
        """Notes that a partition has no record to fetch; `settle` takes the count back."""
        partition = self._partitions.get(place)
        if partition is not None and partition.is_fetching:
            partition.is_fetching = False
            partition.before = partition.before._replace(fetching=0)
            self._changed.add(place)

    def settle(self) -> None:
        """Takes back the counts of partitions that turned out to be at their end; raises PublishFailed."""
        if self._changed:
            places, self._changed = self._changed, set()
            self._write({place: self._partitions[place].before for place in places if place in self._partitions})

    def read(self, records: Iterable[Record]) -> None:
        """Counts this life at the partitions whose first record is among these; a failure costs only the count."""
        marks: dict[Place, CommitMetadata] = {}
        for record in records:
            place = (record.topic, record.partition)
            partition = self._partitions.get(place)
            if partition is not None and partition.is_fetching:
                partition.is_fetching = False
                marks[place] = self._first(partition, record)
        try:
            self._write(marks)
        except PublishFailed as failure:
            log.warning("attempts_not_counted", reason=str(failure))

    def _first(self, partition: _Partition, record: Record) -> CommitMetadata:
        """What is to be counted at the first record of a partition, which may be a suspect or condemned."""
        before = partition.before = partition.before._replace(fetching=0)
        # The first crash came in a life that had moved as far as here, so no life has counted it.
        if before.crashes < self._max_crashes - 1:
            return before._replace(crashes=before.crashes + 1)
        partition.suspects = self._reach
        if before.alone >= ALONE_CRASHES:
            partition.condemned = record.offset
        log.warning(
            "crash_loop",
            partition=f"{record.topic}-{record.partition}",
            offset=record.offset,
            crashes=before.crashes,
            alone=before.alone,
            condemned=partition.condemned is not None,
        )
        return before

    def is_suspect(self, record: Record) -> bool:
        """Whether the record is to be scored alone."""
        partition = self._partitions.get((record.topic, record.partition))
        return partition is not None and partition.suspects > 0

    def is_condemned(self, record: Record) -> bool:
        """Whether the record ended too many lives to be scored again."""
        partition = self._partitions.get((record.topic, record.partition))
        return partition is not None and partition.condemned == record.offset

    def score_alone(self, record: Record) -> None:
        """Counts this life at a record that is about to be scored alone; a failure costs only the count."""
        place = (record.topic, record.partition)
        partition = self._partitions[place]
        # Earlier lives count only against the record that they left behind, the first one of this life.
        alone = partition.before.alone if partition.counted is not None else 0
        partition.before = self.carried(record)._replace(crashes=self._max_crashes - 1, alone=alone)
        partition.alone = record.offset
        try:
            self._write({place: partition.before._replace(alone=alone + 1)}, at=record.offset)
        except PublishFailed as failure:
            log.warning("attempts_not_counted", reason=str(failure))

    def survived(self, record: Record) -> None:
        """Takes the count of `score_alone` back once the record has its score; raises PublishFailed.

        From here on whatever ends the process says nothing of the record: only its pass is held against it.
        """
        partition = self._partitions.get((record.topic, record.partition))
        if partition is not None and partition.alone == record.offset and partition.counted != partition.before:
            self._write({(record.topic, record.partition): partition.before})

    def published(self, record: Record) -> None:
        """Notes that a commit has moved past the record, the last one of its partition in a publish."""
        partition = self._partitions.get((record.topic, record.partition))
        if partition is not None:
            partition.counted, partition.alone = None, None
            partition.suspects = max(0, partition.suspects - 1)

    def carried(self, record: Record) -> CommitMetadata:
        """What the commit after a record is to say: nothing, unless the next record is a suspect as well."""
        partition = self._partitions.get((record.topic, record.partition))
        if partition is None:
            return CommitMetadata()
        crashes = self._max_crashes - 1 if partition.suspects > 1 else 0
        return CommitMetadata(topic_id=partition.before.topic_id, crashes=crashes)

    def withdraw(self, places: Iterable[Place]) -> None:
        """Says of these partitions that this life ends in order, and forgets them; raises PublishFailed.

        A count is taken back only where the group still has it: a commit whose outcome is unknown may have
        moved on.
        """
        ours = {place: one for place in places if (one := self._partitions.pop(place, None)) is not None}
        self._changed -= ours.keys()
        standing = {place: one for place, one in ours.items() if one.counted not in {None, one.before}}
        if standing:
            found = {one.place: one for one in self._ask(list(standing))}
            self._commit(
                [
                    Commit(place, one.offset, one.before)
                    for place, one in standing.items()
                    if (found[place].offset, found[place].metadata) == (one.offset, one.counted)
                ]
            )

    def forget(self, places: Iterable[Place]) -> None:
        """Forgets partitions that were lost: nothing can be committed for them any more."""
        for place in places:
            self._partitions.pop(place, None)
            self._changed.discard(place)

    def _write(self, marks: dict[Place, CommitMetadata], at: int | None = None) -> None:
        if not marks:
            return
        self._commit(
            [
                Commit(place, self._partitions[place].offset if at is None else at, metadata)
                for place, metadata in marks.items()
            ]
        )
        for place, metadata in marks.items():
            partition = self._partitions[place]
            partition.counted = metadata
            partition.offset = partition.offset if at is None else at

    def _unfetchable(self, found: Commit) -> str:
        topic, partition = found.place
        place = f"{topic}:{partition}"
        return (
            f"{topic}[{partition}]: {found.metadata.fetching} processes ended before they had read the record at "
            f"offset {found.offset}: it, or the batch that holds it, may unpack to more than the memory. Stop all "
            "members of the group. To try again with more memory: "
            f"{reset_command(self._group, place, f'--to-offset {found.offset}')}. To go on without it: the same "
            f"with --to-offset {found.offset + 1}, or later where the batch is longer. Then start again"
        )
