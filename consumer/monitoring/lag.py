"""How far the group is behind, by partition: in records, and in the age of the oldest that is not committed.

In records it is the end of the partition less the offset that is committed, and not less what was read. An idle
transactional topic has a lag of 0, since the commit goes past the markers at its end. The client's own figure does
not know the commits that are part of a transaction.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from consumer.metrics import INFLIGHT_BYTES, INFLIGHT_ROWS, LAG_RECORDS, LAG_SECONDS, MAX_SERIES, OTHER
from consumer.monitoring.values import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from consumer.events import Position
    from consumer.kafka.commit_metadata import Place

ENDS_S: Final = 1.0
"""How long a scrape waits for the ends of the partitions; brokers on this machine answered in 1 ms."""
FIND_S: Final = 1.0
"""How long a scrape may take to look up the timestamps of records that nobody has in hand."""


class _Batch(NamedTuple):
    """A micro-batch in hand."""

    records: Sequence[Position]
    size: int


class InHand:
    """What the group has committed at the owned partitions, and the micro-batches since then. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._committed: dict[Place, int] = {}
        self._batches: deque[_Batch] = deque()

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """Notes where partitions are read from."""
        with self._lock:
            self._committed.update(offsets)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Notes commits; those of partitions that were revoked meanwhile are another member's."""
        with self._lock:
            self._committed.update(
                (place, offset) for place, offset in offsets.items() if place in self._committed
            )

    def revoke(self, places: Iterable[Place]) -> None:
        """Forgets partitions."""
        with self._lock:
            for place in places:
                self._committed.pop(place, None)

    def submit(self, records: Sequence[Position], size: int) -> None:
        """Adds a micro-batch of `size` bytes."""
        with self._lock:
            self._batches.append(_Batch(records, size))

    def end(self, batches: int) -> None:
        """Removes the oldest micro-batches."""
        with self._lock:
            for _ in range(batches):
                self._batches.popleft()

    def clear(self) -> None:
        """Removes all micro-batches: they are read again."""
        with self._lock:
            self._batches.clear()

    def snapshot(self) -> tuple[dict[Place, int], list[_Batch]]:
        """The commits, and the micro-batches from the oldest."""
        with self._lock:
            return dict(self._committed), list(self._batches)


class Lag:
    """Answers at a scrape, on its thread.

    `ends` returns the end of each partition whose leader answers within the given seconds. `find` returns the
    timestamp in epoch milliseconds of the first record that may be read from an offset on, or None where there is
    none, and raises TimeoutError.
    """

    def __init__(
        self,
        in_hand: InHand,
        ends: Callable[[Collection[Place], float], Mapping[Place, int]],
        find: Callable[[Place, int, float], int | None],
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._in_hand = in_hand
        self._ends = ends
        self._find = find
        self._clock = clock
        self._timer = timer
        self._one_at_a_time = threading.Lock()
        self._found: dict[Place, tuple[int, int]] = {}
        """Offset and timestamp of the oldest record that is not committed, as last known."""

    def __call__(self) -> Iterator[Sample]:
        """The samples of records and bytes in hand, and of the lag of each partition."""
        _, batches = self._in_hand.snapshot()
        yield Sample(INFLIGHT_ROWS, (), sum(len(batch.records) for batch in batches))
        yield Sample(INFLIGHT_BYTES, (), sum(batch.size for batch in batches))
        with self._one_at_a_time:
            yield from self._lags()

    def _lags(self) -> Iterator[Sample]:
        places = list(self._in_hand.snapshot()[0])
        ends = self._ends(places, ENDS_S) if places else {}
        # Taken after the answer, so that a commit meanwhile does not look like a lag.
        committed, batches = self._in_hand.snapshot()
        records = {place: max(0, end - committed[place]) for place, end in ends.items() if place in committed}
        behind = {place: committed[place] for place in committed if records.get(place, 1)}
        times = self._times(behind, batches, known=records)
        now_ms = self._clock() * 1000
        seconds = {place: 0.0 for place in records if place not in behind}
        # None where only markers follow, or a transaction that is open.
        for place, stamp in times.items():
            seconds[place] = 0.0 if stamp is None else max(0.0, now_ms - stamp) / 1000
        yield from _samples(records, seconds)

    def _times(
        self, behind: Mapping[Place, int], batches: Sequence[_Batch], *, known: Collection[Place]
    ) -> dict[Place, int | None]:
        """The timestamp of the oldest record of each of these partitions that is not committed, where known."""
        found = {place: one for place, one in self._found.items() if behind.get(place) == one[0]}
        missing = {place: offset for place, offset in behind.items() if place not in found}
        for record in (record for batch in batches for record in batch.records):
            if not missing:
                break
            place = (record.topic, record.partition)
            if place in missing and record.offset >= missing[place]:
                offset = missing.pop(place)
                if record.timestamp_ms is not None:
                    found[place] = offset, record.timestamp_ms
        self._found = found
        times: dict[Place, int | None] = {place: stamp for place, (_, stamp) in found.items()}
        deadline = self._timer() + FIND_S
        for place, offset in missing.items():
            # Not in hand: fetched and not handed out, or paused. A leader that gave no end will give no record.
            left_s = deadline - self._timer()
            if place in known and left_s > 0:
                with suppress(TimeoutError):
                    times[place] = stamp = self._find(place, offset, left_s)
                    if stamp is not None:
                        self._found[place] = offset, stamp
        return times


def _samples(records: Mapping[Place, int], seconds: Mapping[Place, float]) -> Iterator[Sample]:
    """The partitions with the largest lags by name; beyond MAX_SERIES the sum and the maximum of the rest."""
    for metric, values, rest in ((LAG_RECORDS, records, sum), (LAG_SECONDS, seconds, max)):
        ordered = sorted(values, key=values.__getitem__, reverse=True)
        named = ordered[: MAX_SERIES - 1] if len(ordered) > MAX_SERIES else ordered
        for topic, partition in named:
            yield Sample(metric, (topic, str(partition)), values[topic, partition])
        if others := ordered[len(named) :]:
            yield Sample(metric, (OTHER, OTHER), rest(values[place] for place in others))
