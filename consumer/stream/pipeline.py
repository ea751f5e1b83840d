"""The loop: carries micro-batches from topic to topic. Read this file first.

One thread, the caller's, owns everything that speaks to Kafka; another scores. A batch is read, passes the
quarantine, is decoded and handed to the scoring thread; while it is being scored the next is read. Batches are
published in the order they were read, so order per partition holds. What is written is encoded, and held
against the dead-letter limit, before a publish begins. A publish begins and ends between two reads, so it never
meets a rebalance; rows of a partition that was revoked meanwhile are dropped, their new owner scores them.
Every failure of a publish takes one path: `_recover`.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import wait
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import structlog

from consumer.events import BatchDropped, BatchSubmitted, BatchUncommitted, Recovering
from consumer.log_events import log_event
from consumer.stream.decode import looks, split
from consumer.stream.publication import Batch, Publication
from consumer.stream.records import PublishFailed
from consumer.stream.recovery import RecoveryCap

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from consumer.dlq.limit import DeadLetterLimit
    from consumer.events import BatchPublished, Observer
    from consumer.settings import Limits
    from consumer.stream.encode import Encoder
    from consumer.stream.quarantine import Quarantine
    from consumer.stream.records import Outbox, Outgoing, Record, Source
    from consumer.stream.recovery import Refusals
    from shared.formats import InputFormat
    from shared.inference.scheduler import Scheduler

log = structlog.get_logger()

FULL_WAIT_S: Final = 0.25
"""How long a full pipeline waits for the scorer before it pauses fetching, which costs the prefetch."""
BUSY_WAIT_S: Final = 0.01
"""How long a read-out topic waits for the scorer before it is asked again."""


@dataclass(slots=True)
class Totals:
    """What one run did."""

    records: int = 0
    results: int = 0
    dead_letters: int = 0
    nulls: int = 0
    """Deletions that were skipped or forwarded."""
    recoveries: int = 0
    abandoned: int = 0
    """Records read but not published when the process had to end; the next run reads them again."""


class Pipeline:
    """Source to outbox, until it is stopped.

    `inspect` is shown the records of each read; `heartbeat` is called once per turn of the loop.
    """

    def __init__(
        self,
        *,
        source: Source,
        quarantine: Quarantine,
        scoring: Scheduler,
        outbox: Outbox,
        encoder: Encoder,
        refusals: Refusals,
        input_format: InputFormat,
        limits: Limits,
        dead_letter_limit: DeadLetterLimit,
        stop: threading.Event,
        until_idle_s: float | None = None,
        max_records: int | None = None,
        inspect: Callable[[Sequence[Record]], None] = lambda _: None,
        observer: Observer = log_event,
        heartbeat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._quarantine = quarantine
        self._scoring = scoring
        self._outbox = outbox
        self._encoder = encoder
        self._format = input_format
        self._limits = limits
        self._stop = stop
        self._until_idle_s = until_idle_s
        self._max_records = max_records
        self._inspect = inspect
        self._observer = observer
        self._heartbeat = heartbeat
        self._clock = clock
        self._inflight: deque[Batch] = deque()
        self._totals = Totals()
        self._dead_letter_limit = dead_letter_limit
        self._refusals = refusals
        self._cap = RecoveryCap(limits, clock)
        self._read_out = False
        """Whether the last read found nothing."""
        self._read_wait_s = 0.0
        """How long the last read took that found something."""
        self._published_at = clock()
        self._idle_since: float | None = None
        """When a read first found nothing while nothing was in hand."""

    def run(self) -> Totals:
        """Works until stopped, idle or done; ends with nothing half-published. Raises SentimentError."""
        while not self._finished():
            self._heartbeat()
            try:
                self._begin_assigned()
                self._read_more()
                if self._publish_due():
                    self._publish_scored()
                if not self._inflight:
                    self._commit_ends()
            except PublishFailed as failure:
                self._recover(failure)
        self._drain()
        return self._totals

    def _finished(self) -> bool:
        if self._stop.is_set():
            return True
        if self._inflight:
            return False
        if self._max_records is not None and self._totals.records >= self._max_records:
            return True
        return self._is_idle()

    def _is_idle(self) -> bool:
        """Whether nothing came for long enough and nothing is left; a false answer begins another such time."""
        if self._until_idle_s is None or self._idle_since is None:
            return False
        if self._clock() - self._idle_since < self._until_idle_s:
            return False
        if not self._source.caught_up():
            self._idle_since = None
            return False
        return True

    def _begin_assigned(self) -> None:
        for commit in self._source.begin(alone=not self._inflight):
            self._dead_letter_limit.restore(commit.metadata)

    def _read_more(self) -> None:
        """Reads one batch if there is room; else keeps the membership alive while the scorer works."""
        if self._source.is_probing:
            self._read_probed()
            return
        if self._quarantine.is_careful:
            self._read_alone()
            return
        room = self._room()
        if room:
            self._source.resume()
            self._read(room, 0.0 if self._inflight else self._limits.read_wait_s)
            taken = self._quarantine.take(room)
            if taken or not self._quarantine.is_careful:
                self._submit(taken)
        elif self._inflight and not self._wait_oldest(FULL_WAIT_S):
            self._source.pause()
            self._read(1, 0.0)

    def _read_probed(self) -> None:
        """Hands nothing out while a partition is fetched that may end the process.

        If the process ends, it was that one.
        """
        self._read(1, 0.0 if self._inflight else self._limits.read_wait_s)
        if self._inflight:
            self._wait_oldest(BUSY_WAIT_S)

    def _read_alone(self) -> None:
        """Hands one record out with nothing else in hand, nor being fetched.

        If the process ends, it was that one.
        """
        self._source.pause()
        self._read(1, 0.0)
        if self._inflight:
            self._wait_oldest(BUSY_WAIT_S)
        elif self._quarantine.is_careful:
            self._submit(self._quarantine.take_alone())

    def _read(self, max_records: int, wait_s: float) -> None:
        began = self._clock()
        records = self._source.read(max_records, wait_s)
        self._read_out = not records
        if records:
            self._read_wait_s = self._clock() - began
            self._inspect(records)
            self._quarantine.add(records)

    def _room(self) -> int:
        """How many records may be read now."""
        if sum(batch.size for batch in self._inflight) >= self._limits.inflight_bytes:
            return 0
        unscored = sum(len(batch.records) for batch in self._inflight if not batch.scores.done())
        most = self._limits.batch_records
        room = min(most, most * self._limits.inflight_batches - unscored)
        return room if self._max_records is None else min(room, self._max_records - self._totals.records)

    def _publish_due(self) -> bool:
        """Whether now is the time to publish: at once, or at intervals while there is more to read.

        What a transaction costs is its latency and not its size, so under load it is shared by many records.
        """
        if self._clock() - self._published_at >= self._limits.commit_interval_s:
            return True
        return self._read_out or not self._room()

    def _wait_oldest(self, seconds: float) -> bool:
        return bool(wait([self._inflight[0].scores], timeout=seconds).done)

    def _submit(self, records: list[Record]) -> None:
        """Sends one batch on its way; with none, waits a little for what is on its way already."""
        if not records:
            if self._inflight:
                self._wait_oldest(BUSY_WAIT_S)
            elif self._idle_since is None and self._source.joined:
                self._idle_since = self._clock()
            return
        self._idle_since = None
        self._totals.records += len(records)
        began = self._clock()
        condemned = self._quarantine.condemned(records)
        documents, dead_letters, deletions = split([] if condemned else records, self._format)
        documents, refused = self._refusals.separate(documents)
        deletions, refused_nulls = self._refusals.separate(deletions)
        scores = self._scoring.submit([document.text for document in documents])
        size = sum(record.size for record in records)
        letters = [*condemned, *dead_letters, *refused, *refused_nulls]
        now, seen = self._clock(), looks(records, self._format)
        self._inflight.append(Batch(records, documents, letters, deletions, scores, now, seen, size))
        self._observer(BatchSubmitted(records, size, self._read_wait_s, now - began))

    def _publish_scored(self) -> None:
        """Publishes all that is scored, in order and at once: what a publish costs, many batches share."""
        if self._inflight and self._inflight[0].scores.done():
            self._inflight[0].scores.result()  # raises what the scorer raised
            ready = list(takewhile(attrgetter("is_scored"), self._inflight))
            self._publish(ready)
            for _ in ready:
                self._inflight.popleft()

    def _publish(self, batches: Sequence[Batch]) -> None:
        """Publishes what is still ours of scored batches; raises TooManyDeadLetters before anything is written."""
        began = self._published_at = self._clock()
        for batch in batches:
            self._quarantine.scored(batch.records)
        rows = Publication(batches, self._encoder)
        if not rows.records:
            self._observer(BatchDropped(len(batches), sum(len(batch.records) for batch in batches)))
            return
        self._dead_letter_limit.check(rows.outcomes)
        try:
            self._write(rows.outgoing, rows.letters, rows.records)
        except PublishFailed as failure:
            if failure.refused and len(rows.records) == 1:
                self._refusals.add(rows.records[0], failure.refused)
            if failure.is_written:
                self._observer(BatchUncommitted(self._event(rows, began)))
            raise
        self._dead_letter_limit.record(rows.outcomes)
        self._refusals.settle(rows.records)
        self._totals.results += rows.results
        self._totals.dead_letters += len(rows.letters)
        self._totals.nulls += rows.nulls
        self._observer(self._event(rows, began))

    def _event(self, rows: Publication, began: float) -> BatchPublished:
        return rows.event(
            scored_after_s=began - rows.read_at,
            publish_s=self._clock() - began,
            lag_records=self._source.lag_records(),
        )

    def _write(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], records: Sequence[Record]
    ) -> None:
        commits = self._source.commits_after(records)
        self._outbox.publish(results, dead_letters, commits)
        self._source.published(commits, records)

    def _commit_ends(self) -> None:
        """Commits the ends of partitions that are read out, where they lie behind markers.

        Else lag stays above 0.
        """
        commits = self._source.commits_at_ends()
        if commits:
            self._outbox.publish([], [], commits)
            self._source.published(commits, [])

    def _recover(self, failure: PublishFailed) -> None:
        """Forgets everything in hand, replaces the producer and goes back to the last commit.

        A record that Kafka refuses is found by reading on one by one. Other failures are counted: more
        than `max_recoveries` within `recovery_window_s` end the process, since a fresh one on another machine
        may fare better than this one does.
        """
        self._heartbeat()
        self._totals.recoveries += 1
        recent = self._cap.count(failure) if failure.refused is None else None
        self._observer(Recovering(str(failure), failure.refused, recent))
        for batch in self._inflight:
            batch.scores.cancel()
            self._totals.records -= len(batch.records)
        self._inflight.clear()
        if failure.refused is None:
            self._quarantine.clear()
        else:
            self._quarantine.one_by_one()
        try:
            self._outbox.reset()
            self._source.rewind()
        except PublishFailed as again:
            self._recover(again)

    def _drain(self) -> None:
        """Publishes what is being scored, for at most `shutdown_s`; abandons the rest, which is uncommitted."""
        deadline = self._clock() + self._limits.shutdown_s
        try:
            while self._inflight and self._clock() < deadline:
                self._heartbeat()
                self._source.pause()
                self._source.read(1, 0.0)
                if self._wait_oldest(BUSY_WAIT_S):
                    self._publish_scored()
        except PublishFailed as failure:
            log.warning("shutdown_publish_failed", reason=str(failure))
        self._totals.abandoned = sum(len(batch.records) for batch in self._inflight)
