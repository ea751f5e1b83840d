"""Reads results and dead letters into the window, on a thread of its own, from the history on without an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from dashboard.stream.decode import read_letter, read_result
from dashboard.stream.history import starts
from dashboard.threads import start_guarded
from shared.dlq.letters import Receipt
from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable
from shared.kafka.live.reader import LiveReader
from shared.kafka.reader import Partition, TopicReader

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from dashboard.settings import DashboardEnvironment
    from dashboard.stream.status import Status
    from dashboard.window.recent import Entry
    from dashboard.window.records import LetterSeen, Scored
    from dashboard.window.window import Window
    from shared.kafka.message import KafkaMessage

log = structlog.get_logger()

BATCH: Final = 2_000
"""Records of one step at most: a larger one would hold the window's lock for longer."""
WAIT_S: Final = 0.1
RETRY_S: Final = 2.0
LOOK_S: Final = 10.0
"""Seconds between two looks at the topics, for new partitions and topics that were created again."""
EXPIRE_S: Final = 5.0
ID_S: Final = 2.0
"""Seconds to wait for a topic id."""


class Subscriber:
    """The reader's thread. `wanted` is called with entries whose text is to be read."""

    def __init__(
        self,
        settings: DashboardEnvironment,
        window: Window,
        status: Status,
        stop: threading.Event,
        *,
        wanted: Callable[[Iterable[Entry]], None],
    ) -> None:
        self._settings = settings
        self._window = window
        self._status = status
        self._stop = stop
        self._wanted = wanted
        self._letters = frozenset(settings.dashboard.letter_topics)
        self._ids: dict[str, str] = {}
        self._targets: dict[Partition, int] = {}
        """Ends of the history."""
        self._begins: dict[Partition, int] = {}

    def start(self) -> threading.Thread:
        """Begins to read."""
        return start_guarded(self._run, "reader")

    def _run(self) -> None:
        live = LiveReader(self._settings.kafka, "sentiment-dashboard")
        topics = TopicReader(self._settings.kafka, "sentiment-dashboard-topics", ahead_kib=1_024)
        try:
            while not self._stop.is_set() and not self._attempt(lambda: self._begin(topics, live)):
                self._stop.wait(RETRY_S)
            looked = expired = time.monotonic()
            while not self._stop.is_set():
                self._step(live)
                now = self._status.alive_s = time.monotonic()
                if now - looked > LOOK_S:
                    looked = now
                    if live.trouble() is None:
                        self._attempt(lambda: self._look(topics, live))
                if now - expired > EXPIRE_S:
                    expired = now
                    self._window.expire()
        finally:
            live.close()
            topics.close()

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Does what asks Kafka; a failure is shown on the page and tried again later."""
        try:
            act()
        except (KafkaUnreachable, KafkaRefused, KafkaStateError) as error:
            self._status.trouble = str(error)
            return False
        self._status.trouble = None
        return True

    def _begin(self, topics: TopicReader, live: LiveReader) -> None:
        partitions = self._partitions(topics)
        spans = topics.spans(partitions)
        own = self._settings.dashboard
        since_ms = round((self._window.now_s() - own.history_h * 3_600) * 1000)
        wanted, cut = starts(topics, spans, since_ms, own.history_mib * 2**20)
        self._begins = {one: span.start for one, span in wanted.items()}
        self._targets = {one: span.stop for one, span in wanted.items()}
        self._status.to_load = sum(map(len, wanted.values()))
        self._status.history_cut = cut
        self._status.phase = "loading"
        live.follow(self._begins)
        self._note_ids(topics, {one.topic for one in partitions})
        log.info("history", offsets=self._status.to_load, cut_by_bytes=cut)

    def _partitions(self, topics: TopicReader) -> list[Partition]:
        """Those of all topics; a topic of dead letters may be missing, one of results may not."""
        own = self._settings.dashboard
        counts = topics.partitions_of(own.result_topics)
        missing = []
        for topic in own.letter_topics:
            try:
                counts |= topics.partitions_of([topic])
            except (KafkaStateError, KafkaRefused):
                missing.append(topic)
        self._status.missing_topics = tuple(missing)
        return [Partition(topic, number) for topic, count in counts.items() for number in range(count)]

    def _note_ids(self, topics: TopicReader, names: Iterable[str]) -> None:
        """Asks for the topic ids; without them, as on librdkafka's mock cluster, no topic counts as recreated."""
        try:
            for topic in names:
                self._ids[topic] = topics.topic_id(topic, ID_S)
        except KafkaUnreachable:
            log.info("topic_ids_unknown")
            self._ids.clear()

    def _look(self, topics: TopicReader, live: LiveReader) -> None:
        """Follows new partitions, and topics that were deleted and created again, from their beginning."""
        live.follow(dict.fromkeys(self._partitions(topics), 0))
        for topic, known in list(self._ids.items()):
            now = topics.topic_id(topic, ID_S) if topic not in self._status.missing_topics else known
            if now != known:
                log.warning("topic_recreated", topic=topic)
                self._ids[topic] = now
                live.restart({one: 0 for one in live.positions() if one.topic == topic})

    def _step(self, live: LiveReader) -> None:
        messages = live.poll(BATCH, WAIT_S)
        self._status.trouble = live.trouble() if not messages else None
        if messages:
            self._take(messages)
        if self._status.phase == "loading":
            positions = live.positions()
            self._status.loaded = sum(
                min(positions[one], end) - self._begins[one] for one, end in self._targets.items()
            )
            if all(positions[one] >= end for one, end in self._targets.items()):
                self._status.phase = "live"
                log.info("live", results=self._status.loaded)

    def _take(self, messages: list[KafkaMessage]) -> None:
        results: list[Scored] = []
        letters: list[LetterSeen] = []
        unreadable = receipts = 0
        for message in messages:
            if message.topic() in self._letters:
                letter = read_letter(message)
                if isinstance(letter, Receipt):
                    receipts += 1
                elif letter is None:
                    unreadable += 1
                else:
                    letters.append(letter)
            else:
                result = read_result(message, self._settings.dashboard.group_by)
                if result is None:
                    unreadable += 1
                else:
                    results.append(result)
        is_loading = self._status.phase == "loading"
        self._wanted(self._window.add(results, letters, is_loading=is_loading))
        if unreadable or receipts:
            self._window.note(unreadable=unreadable, receipts=receipts)
