"""Reads the texts of the sample from the input topics, on a thread of its own; newest first, at bounded cost."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from dashboard.threads import start_guarded
from dashboard.window.recent import KEPT, TextState
from shared.errors import BadRecord, KafkaRefused, KafkaStateError, KafkaUnreachable
from shared.formats import parse_input
from shared.kafka.message import place_of
from shared.kafka.reader import Partition, SpanRead, TopicReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dashboard.settings import DashboardEnvironment
    from dashboard.stream.status import Status
    from dashboard.window.recent import Entry
    from dashboard.window.window import Window

log = structlog.get_logger()

# One read of a partition costs a request, so that reading 1,000 records that nobody wants is as quick as a jump.
GAP: Final = 1_000
"""Offsets between two wanted records that are read rather than jumped over."""
TRY_AGAIN_S: Final = 60.0
"""Seconds after which a topic that was denied is tried again."""
WAIT_S: Final = 0.5
FETCH_WAIT_MS: Final = 20
LAST_OFFSET: Final = 2**63 - 1


class TextReader:
    """Takes entries on any thread, and gives them their texts."""

    def __init__(
        self,
        settings: DashboardEnvironment,
        window: Window,
        status: Status,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._form = settings.input_format
        self._window = window
        self._status = status
        self._stop = stop
        self._queue: deque[Entry] = deque(maxlen=KEPT)
        self._there = threading.Event()
        self._known: dict[str, int] = {}
        """Partitions of each input topic."""
        self._refused: dict[str, tuple[TextState, str]] = {}
        """Topics that cannot be read, with the reason, until they are tried again."""

    def want(self, entries: Iterable[Entry]) -> None:
        """Queues entries; the oldest are dropped where too many wait, since the sample drops them as well."""
        self._queue.extend(entries)
        self._there.set()

    def start(self) -> threading.Thread:
        """Begins to read."""
        return start_guarded(self._run, "texts")

    def _run(self) -> None:
        waited_s = 0.0
        with TopicReader(
            self._settings.kafka, "sentiment-dashboard-texts", ahead_kib=1_024, fetch_wait_ms=FETCH_WAIT_MS
        ) as reader:
            while not self._stop.is_set():
                if not self._there.wait(WAIT_S):
                    waited_s += WAIT_S
                    if waited_s >= TRY_AGAIN_S:
                        waited_s = 0.0
                        self._refused.clear()
                        self._status.texts = None
                    continue
                self._there.clear()
                batch = self._taken()
                for topic in {entry.record.source.topic for entry in batch if entry.record.source}:
                    own = [entry for entry in batch if entry.record.source and entry.record.source.topic == topic]
                    self._read_topic(reader, topic, own)

    def _taken(self) -> list[Entry]:
        taken = []
        while self._queue:
            taken.append(self._queue.popleft())
        return taken

    def _read_topic(self, reader: TopicReader, topic: str, entries: list[Entry]) -> None:
        if topic in self._refused:
            self._mark(entries, self._refused[topic][0])
            return
        try:
            self._read_runs(reader, topic, entries)
        except KafkaRefused as error:
            state, why = TextState.FORBIDDEN, str(error)
        except KafkaStateError as error:
            state, why = TextState.GONE, str(error)
        except KafkaUnreachable as error:
            self._mark([entry for entry in entries if entry.state is TextState.WAITING], TextState.UNREACHABLE)
            log.warning("texts_unreachable", topic=topic, error=str(error))
            return
        else:
            return
        log.warning("texts_not_read", topic=topic, error=why)
        self._refused[topic] = state, why
        self._status.texts = "; ".join(reason for _, reason in self._refused.values())
        self._mark([entry for entry in entries if entry.state is TextState.WAITING], state)

    def _read_runs(self, reader: TopicReader, topic: str, entries: list[Entry]) -> None:
        wanted: dict[Partition, dict[int, list[Entry]]] = {}
        for entry in entries:
            source = entry.record.source
            if source is not None:
                offsets = wanted.setdefault(Partition(topic, source.partition), {})
                offsets.setdefault(source.offset, []).append(entry)
        if self._known.get(topic, 0) <= max(one.number for one in wanted):
            self._known |= reader.partitions_of([topic])
        beyond = [one for one in wanted if one.number >= self._known[topic]]
        for one in beyond:
            self._mark([entry for some in wanted.pop(one).values() for entry in some], TextState.GONE)
        runs = {one: runs_of(offsets) for one, offsets in wanted.items()}
        while any(runs.values()) and not self._stop.is_set():
            step = {one: own.pop() for one, own in runs.items() if own}
            # Without waiting: a range may end behind the topic's end, if that was created again since.
            for message in reader.read(step, waits=False):
                if not isinstance(message, SpanRead):
                    found, number, offset = place_of(message)
                    for entry in wanted[Partition(found, number)].pop(offset, ()):
                        self._set(entry, message.value())
        # What the broker has not sent is deleted, aborted or compacted.
        self._mark([entry for own in wanted.values() for some in own.values() for entry in some], TextState.GONE)

    def _set(self, entry: Entry, value: bytes | None) -> None:
        try:
            text = parse_input(value, self._form).text
        except BadRecord:
            self._window.set_state(entry, TextState.UNREADABLE)
        else:
            self._window.set_text(entry, text)

    def _mark(self, entries: Iterable[Entry], state: TextState) -> None:
        for entry in entries:
            self._window.set_state(entry, state)


def runs_of(offsets: Iterable[int]) -> list[range]:
    """Ranges that hold the offsets, oldest first; those closer than GAP share a range."""
    runs: list[range] = []
    for offset in sorted(one for one in offsets if 0 <= one < LAST_OFFSET):
        if runs and offset - runs[-1].stop < GAP:
            runs[-1] = range(runs[-1].start, offset + 1)
        else:
            runs.append(range(offset, offset + 1))
    return runs
