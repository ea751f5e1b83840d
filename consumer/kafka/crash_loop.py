"""Breaks a crash loop: finds the record that crashes the process, so that the stream goes on without it.

A text that kills the process (a segmentation fault, a device assert, the kernel's out-of-memory killer) comes
again after every restart, and so does a record batch that unpacks to more than the memory. No handler is called
then, so each run of the process counts itself beforehand in the metadata of the commit that it begins at
(`CommitMetadata`):

    fetching   before its first fetch of a partition; taken back at the first record, or at the partition's end
    crashes    at the first record; gone with the next commit that moves on
    alone      before one record is scored alone; taken back once it has its score

A clean stop takes back what still counts: `withdraw`. A count that is left is a crash.

After `max_crashes` runs the records of what may have been in hand are scored one at a time, with nothing else in
hand; one during whose pass ALONE_CRASHES runs ended is condemned.

A partition where a run ended before its first record is probed: it is fetched with nothing in hand and nothing
else fetched, since that run may have ended for another reason. After `max_crashes` such runs, all but the first
of them probes, the process ends with exit code 76: it can name the position, but not read it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from consumer.events import CrashLoopFound
from consumer.kafka.commit_metadata import Commit, CommitMetadata, Place, reset_command
from consumer.log_events import log_event
from consumer.stream.records import PublishFailed
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.events import Observer
    from consumer.stream.records import Record

log = structlog.get_logger()

ALONE_CRASHES: Final = 2
"""Runs that may end while they score one record alone before it is condemned: the first may be a coincidence."""
PROBE_S: Final = 30.0
"""How long one probe may keep the others waiting: as long as the client waits for an answer of a leader."""


@dataclass(slots=True)
class _Partition:
    """What is known of the crashes at one owned partition."""

    offset: int
    """Where it was begun, or where the record is that is scored alone."""
    before: CommitMetadata
    """What a clean stop restores: the runs before this one."""
    ours: list[Commit]
    """What this run has committed at `offset`, or may have; empty once a commit has moved on."""
    first: int | None = None
    """Offset of the first record of this run: only against it do earlier runs count that scored one alone."""
    condemned: int | None = None
    """Offset of the record that ended too many runs."""
    alone: int | None = None
    """Offset of the record that is counted as scored alone."""


class CrashLoop:
    """The counts of the owned partitions. Used by the Kafka thread only; `ask`, `commit` and `ends` block."""

    def __init__(
        self,
        *,
        max_crashes: int,
        reach: int,
        group: str,
        ask: Callable[[list[Place]], list[Commit]],
        commit: Callable[[list[Commit]], None],
        ends: Callable[[list[Place]], dict[Place, int]],
        observer: Observer = log_event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reach`: records of a partition that a process may have in hand.

        `ask` and `commit` raise PublishFailed; `ends` returns the end of each partition whose leader answers.
        """
        self._max_crashes = max_crashes
        self._reach = reach
        self._group = group
        self._ask = ask
        self._commit = commit
        self._ends = ends
        self._observer = observer
        self._clock = clock
        self._partitions: dict[Place, _Partition] = {}
        self._silent: set[Place] = set()
        """Begun partitions that have brought neither a record nor their end."""
        self._suspects: dict[Place, int] = {}
        """How many of the next records are scored alone."""
        self._owed: dict[Place, Commit] = {}
        """Counts that are to be written: of partitions that have answered, or were probed in vain."""
        self._probe: Place | None = None
        self._probed_at = 0.0

    @property
    def is_probing(self) -> bool:
        """Whether a partition is being fetched that may end the process, so that nothing else may end it."""
        return self._probe is not None

    def begin(self, commits: Sequence[Commit], *, alone: bool) -> list[Place]:
        """Counts this run at the partitions that may be fetched now, and returns them; offer the others again.

        `alone`: nothing is in hand. Those to be probed come first, one at a time; then `is_probing` holds, and
        nothing else may be fetched or scored. One that holds nothing to fetch, or whose leader does not answer, is
        begun with the rest, uncounted.
        Raises KafkaStateError where too many runs ended so, and PublishFailed where nothing could be counted.
        """
        if self.is_probing:
            return []
        found = [self._without_this_run(one) for one in commits]
        suspects = [one for one in found if one.metadata.fetching]
        counted = [one for one in found if not one.metadata.fetching]
        probed: list[Commit] = []
        if suspects:
            # A text in hand could end this run as well, and the position fetched here would be blamed for it.
            if not alone:
                return []
            # Asked first: a partition without records answers a probe only with its end, after half a second, and
            # one after the other these made recoveries longer.
            ends = self._ends([one.place for one in suspects])
            if probed := [one for one in suspects if ends.get(one.place, -1) > one.offset][:1]:
                suspects, counted = [], probed
        for one in [*suspects, *counted]:
            self._partitions[one.place] = _Partition(one.offset, one.metadata, [one])
            self._silent.add(one.place)
            self._suspects.pop(one.place, None)
        # One commit for all partitions, of about 4 ms (decision 8).
        self._write([one._replace(metadata=_fetching(one.metadata)) for one in counted])
        if probed:
            self._probe, self._probed_at = probed[0].place, self._clock()
        return [one.place for one in [*suspects, *counted]]

    def _without_this_run(self, found: Commit) -> Commit:
        """Takes back a count whose commit seemed to fail; raises KafkaStateError where too many runs are left."""
        partition = self._partitions.get(found.place)
        if partition is not None and found in partition.ours:
            return found._replace(metadata=partition.before)
        if found.metadata.fetching >= self._max_crashes:
            raise KafkaStateError(self._unfetchable(found))
        return found

    def reached_end(self, place: Place) -> None:
        """Notes that a partition has no record to fetch; `settle` takes the count back."""
        if place in self._silent:
            self._answered(place)
            self._owed[place] = self._restored(place)

    def read(self, records: Iterable[Record]) -> None:
        """Counts this run at the partitions whose first record is among these; a failure costs only the count."""
        # Looking up every record's partition, here and in three other places, took 0.85 us a record: 2 % of the
        # host's time. So it is done only while a partition has not answered.
        for record in records if self._silent else ():
            place = (record.topic, record.partition)
            if place in self._silent:
                partition = self._answered(place)
                self._owed[place] = Commit(place, partition.offset, self._first(partition, record))
        try:
            self._settle()
        except PublishFailed as failure:
            log.warning("attempts_not_counted", reason=str(failure))

    def _answered(self, place: Place) -> _Partition:
        self._silent.discard(place)
        partition = self._partitions[place]
        # This run has survived the fetch, so the counts of earlier ones no longer mean anything.
        partition.before = partition.before._replace(fetching=0)
        return partition

    def settle(self) -> None:
        """Takes back the counts of partitions that are at their end, and ends a probe after PROBE_S.

        Raises PublishFailed.
        """
        probe, waited_s = self._probe, self._clock() - self._probed_at
        if probe is not None and probe not in self._owed and waited_s > PROBE_S:
            log.warning("probe_without_answer", partition=f"{probe[0]}-{probe[1]}", waited_s=PROBE_S)
            # A leader that does not answer says nothing about the batch: the others begin, and nothing is counted.
            self._owed[probe] = self._restored(probe)
        self._settle()

    def _settle(self) -> None:
        """Writes what is owed; of a probe that has answered it is tried again, or a later crash counts twice."""
        owed, self._owed = self._owed, {}
        if owed:
            try:
                self._write(list(owed.values()))
            except PublishFailed:
                self._owed = {place: one for place, one in owed.items() if place == self._probe}
                raise
        # Not earlier: until the group knows that this probe was survived, a crash in the next one counts here too.
        if self._probe in owed:
            self._probe = None

    def _first(self, partition: _Partition, record: Record) -> CommitMetadata:
        """What is to be counted at the first record of a partition, which may be a suspect or condemned."""
        before, partition.first = partition.before, record.offset
        # The first crash came in a run that had moved as far as here, so no run has counted it.
        if before.crashes < self._max_crashes - 1:
            return before._replace(crashes=before.crashes + 1)
        # The runs before this one may have had any of the next `reach` records in hand.
        self._suspects[record.topic, record.partition] = self._reach
        if before.alone >= ALONE_CRASHES:
            partition.condemned = record.offset
        place, is_condemned = (record.topic, record.partition), partition.condemned is not None
        self._observer(CrashLoopFound(place, record.offset, before.crashes, before.alone, is_condemned))
        # Not counted any further: from here on a run counts only at the record that it scores alone.
        return before

    @property
    def has_suspects(self) -> bool:
        """Whether records of any partition are to be scored alone."""
        return bool(self._suspects)

    def is_suspect(self, record: Record) -> bool:
        """Whether the record is to be scored alone."""
        return (record.topic, record.partition) in self._suspects

    def is_condemned(self, record: Record) -> bool:
        """Whether the record ended too many runs to be scored again."""
        partition = self._partitions.get((record.topic, record.partition))
        return partition is not None and partition.condemned == record.offset

    def score_alone(self, record: Record) -> None:
        """Counts this run at a record that is about to be scored alone; a failure costs only the count."""
        place = (record.topic, record.partition)
        partition = self._partitions[place]
        alone = partition.before.alone if partition.first == record.offset else 0
        # `max_crashes - 1` is all that `_first` needs, so the next run goes on one by one from this record.
        partition.before = self.carried(record)._replace(crashes=self._max_crashes - 1, alone=alone)
        partition.offset = partition.alone = record.offset
        try:
            # The first of three commits for this record, with `survived` and the publish; a suspect is rare.
            self._write([Commit(place, record.offset, partition.before._replace(alone=alone + 1))])
        except PublishFailed as failure:
            log.warning("attempts_not_counted", reason=str(failure))

    def survived(self, record: Record) -> None:
        """Takes the count of `score_alone` back once the record has its score; raises PublishFailed.

        From here on whatever ends the process says nothing of the record: only its pass is held against it.
        """
        place = (record.topic, record.partition)
        partition = self._partitions.get(place)
        if partition is not None and partition.alone == record.offset and not self._is_restored(place):
            try:
                self._write([self._restored(place)])
            except PublishFailed:
                self._owed[place] = self._restored(place)  # once more, before anything else is read
                raise

    def published(self, commits: Iterable[Commit], records: Iterable[Record]) -> None:
        """Notes that the group has moved on, and past which records: a suspect's publish holds no other record."""
        for commit in commits:
            self._owed.pop(commit.place, None)
            if (partition := self._partitions.get(commit.place)) is not None:
                partition.ours, partition.alone = [], None
        for place in {(record.topic, record.partition) for record in records} if self._suspects else ():
            if self._suspects.get(place, 0) > 1:
                self._suspects[place] -= 1
            else:
                self._suspects.pop(place, None)

    def carried(self, record: Record) -> CommitMetadata:
        """What the commit after a record is to say: nothing, unless the next record is a suspect as well."""
        place = (record.topic, record.partition)
        partition = self._partitions.get(place)
        if partition is None:
            return CommitMetadata()
        crashes = self._max_crashes - 1 if self._suspects.get(place, 0) > 1 else 0
        # Every commit carries the id: it alone shows that a topic was created again while no member ran.
        return CommitMetadata(topic_id=partition.before.topic_id, crashes=crashes)

    def withdraw(self, places: Collection[Place]) -> None:
        """Records a clean stop at these partitions, and forgets them; raises PublishFailed.

        A count is taken back only where the group still has it: a commit whose outcome is unknown may have
        moved on.
        """
        standing = [place for place in places if place in self._partitions and not self._is_restored(place)]
        if standing:
            found = [one for one in self._ask(standing) if one in self._partitions[one.place].ours]
            self._commit([self._restored(one.place) for one in found])
        self.forget(places)

    def forget(self, places: Iterable[Place]) -> None:
        """Forgets partitions that were lost: nothing can be committed for them any more."""
        for place in places:
            self._partitions.pop(place, None)
            self._silent.discard(place)
            self._suspects.pop(place, None)
            self._owed.pop(place, None)
            if self._probe == place:
                self._probe = None

    def _restored(self, place: Place) -> Commit:
        """What a clean stop restores."""
        partition = self._partitions[place]
        return Commit(place, partition.offset, partition.before)

    def _is_restored(self, place: Place) -> bool:
        """Whether the group cannot have a count of this run."""
        return self._partitions[place].ours in ([], [self._restored(place)])

    def _write(self, commits: list[Commit]) -> None:
        """Commits what the runs are counted by; raises PublishFailed, and then may have done so or not."""
        if commits:
            for one in commits:
                # Before the commit: one that seems to fail may have been made, see `_without_this_run`.
                self._partitions[one.place].ours.append(one)
            self._commit(commits)
            for one in commits:
                self._partitions[one.place].ours = [one]

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


def _fetching(metadata: CommitMetadata) -> CommitMetadata:
    return metadata._replace(fetching=metadata.fetching + 1)
