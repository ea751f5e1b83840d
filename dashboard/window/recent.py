"""The newest records with their texts: the live sample. Bounded by count, and by characters of each text."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.window.records import Scored

KEPT: Final = 2_000
"""Records in the sample."""
# Above it a sample of 2,000 would be a second long: nobody reads it, and a filter finds nothing.
PER_SECOND: Final = 50
"""Records of one second, by the clock, that join the sample."""
PER_MINUTE_LOADED: Final = 20
"""Records of one minute, by their own time, that join it while the history is read: the last 100 minutes then have
texts to compare with, evenly."""
_MINUTES: Final = 5_000
MAX_CHARS: Final = 2_000
"""Characters of a text that are kept; what is cut off is said."""


class TextState(StrEnum):
    """Whether the page has the text of a record."""

    HERE = "here"
    WAITING = "waiting"
    GONE = "gone"
    """Retention or compaction has deleted the input record."""
    FORBIDDEN = "forbidden"
    """Kafka denies READ on the input topic."""
    UNREADABLE = "unreadable"
    """The input record holds no text by `format` and `text_field`."""
    UNREACHABLE = "unreachable"
    """The input record could not be read; it is not tried again."""
    NO_SOURCE = "no_source"
    """The result does not say where its input is."""
    HIDDEN = "hidden"
    """The page shows no texts (`dashboard.redact`)."""


@dataclass(slots=True)
class Entry:
    """A record of the sample; its text may come later."""

    number: int
    """Ascending in the order of arrival."""
    record: Scored
    state: TextState
    text: str = ""
    cut_chars: int = 0
    """Characters of the text that were cut off."""

    def set_text(self, text: str) -> None:
        """Keeps the beginning of a text."""
        self.text = text[:MAX_CHARS]
        self.cut_chars = len(text) - len(self.text)
        self.state = TextState.HERE


class Recent:
    """The sample, newest last. For one thread at a time; the window has the lock."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._number = 0
        self._second = 0
        self._in_second = 0
        self._in_minute: Counter[int] = Counter()

    def add(self, record: Scored, now_s: float, *, is_loading: bool = False) -> Entry | None:
        """Takes a record into the sample; None where its second, or minute, has enough of them."""
        if not (self._has_room_loading(record) if is_loading else self._has_room(int(now_s))):
            return None
        self._number += 1
        state = TextState.WAITING
        if self._hidden:
            state = TextState.HIDDEN
        elif record.text is None and record.source is None:
            state = TextState.NO_SOURCE
        entry = Entry(self._number, record._replace(text=None), state)
        if record.text is not None and not self._hidden:
            entry.set_text(record.text)
        self._entries.append(entry)
        return entry

    def _has_room(self, second: int) -> bool:
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= PER_SECOND

    def _has_room_loading(self, record: Scored) -> bool:
        # Partitions are read one after the other, so minutes come several times.
        minute = record.event_ms // 60_000
        if len(self._in_minute) > _MINUTES:
            self._in_minute.clear()
        self._in_minute[minute] += 1
        return self._in_minute[minute] <= PER_MINUTE_LOADED

    def newest_first(self) -> Iterator[Entry]:
        """All entries."""
        return reversed(self._entries)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)
