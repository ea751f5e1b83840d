"""The window: all that the page knows of the stream. Written by the reader's thread, read by the server's.

Every public method takes the lock, for a few milliseconds at most.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dashboard.window.recent import Entry, Recent, TextState
from dashboard.window.review import Review
from dashboard.window.rows import REST
from dashboard.window.sums import Sums
from dashboard.window.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dashboard.window.records import LetterSeen, Scored

MAX_MODELS: Final = 50
"""Model versions whose first result is marked on the time line."""


@dataclass(slots=True)
class Counts:
    """What was read since the start."""

    results: int = 0
    letters: int = 0
    receipts: int = 0
    unreadable: int = 0
    """Records of the result topics that are no results, or of the dead-letter topics that are no letters."""


@dataclass(slots=True)
class Contents:
    """The parts of the window; read them inside `Window.open` only."""

    sums: Sums
    terms: Terms
    recent: Recent
    review: Review
    counts: Counts
    reviewed: bool = False
    """Whether labels can be given; without it the queue stays empty."""
    models: dict[str, int] = field(default_factory=dict)
    """Event time of the first result of each model, in milliseconds."""
    last_letters: dict[str, LetterSeen] = field(default_factory=dict)
    """The newest letter of each reason, with the stage and the error in front."""
    last_read_s: float = 0.0
    """When the last record came, in epoch seconds; 0: none yet."""
    version: int = 0
    """Raised with each change."""


class Window:
    """Sums, terms and the sample."""

    def __init__(
        self, *, hidden: bool = False, reviewed: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        """`hidden` keeps no texts at all; `reviewed` keeps a queue of texts that need a label."""
        self._lock = threading.Lock()
        self._clock = clock
        self._contents = Contents(Sums(), Terms(), Recent(hidden=hidden), Review(), Counts(), reviewed=reviewed)
        self.hidden: Final = hidden

    def open(self) -> AbstractContextManager[Contents]:
        """The contents, locked."""
        return _Locked(self._lock, self._contents)

    @property
    def version(self) -> int:
        """Changes whenever the contents do."""
        return self._contents.version

    def now_s(self) -> float:
        """Epoch seconds by the window's clock."""
        return self._clock()

    def input_topics(self) -> list[str]:
        """The topics that results have come from, as far as they have sums of their own."""
        with self.open() as contents:
            return sorted({kind.topic for kind in contents.sums.rows.keys} - {"", REST})

    def add(
        self, results: Sequence[Scored], letters: Sequence[LetterSeen] = (), *, is_loading: bool = False
    ) -> list[Entry]:
        """Counts records; returns the entries of the sample whose text is still to be read.

        `is_loading` says that they are of the history.
        """
        now_s = self._clock()
        with self.open() as contents:
            contents.sums.add(results, now_s)
            contents.sums.add_letters(letters, now_s)
            contents.counts.results += len(results)
            contents.counts.letters += len(letters)
            for letter in letters:
                contents.last_letters[f"{letter.stage}\0{letter.error}\0{letter.reason}"] = letter
                if len(contents.last_letters) > MAX_MODELS:
                    del contents.last_letters[next(iter(contents.last_letters))]
            contents.version += 1
            contents.last_read_s = now_s
            return list(_sampled(contents, results, now_s, is_loading=is_loading))

    def note(self, *, unreadable: int = 0, receipts: int = 0) -> None:
        """Counts records that are no part of the sums."""
        with self.open() as contents:
            contents.counts.unreadable += unreadable
            contents.counts.receipts += receipts
            contents.version += 1

    def set_text(self, entry: Entry, text: str) -> None:
        """Gives an entry its text, which is also counted in the terms."""
        with self.open() as contents:
            if not self.hidden:
                entry.set_text(text)
                _count_terms(contents, entry, self._clock(), text)
            contents.version += 1

    def set_state(self, entry: Entry, state: TextState) -> None:
        """Says why an entry has no text."""
        with self.open() as contents:
            entry.state = state
            contents.version += 1

    def expire(self) -> None:
        """Drops what is too old; call it every few seconds."""
        with self.open() as contents:
            contents.sums.expire(self._clock())


class _Locked:
    def __init__(self, lock: threading.Lock, contents: Contents) -> None:
        self._lock = lock
        self._contents = contents

    def __enter__(self) -> Contents:
        self._lock.acquire()
        return self._contents

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _sampled(contents: Contents, results: Sequence[Scored], now_s: float, *, is_loading: bool) -> Iterator[Entry]:
    models = contents.models
    for record in results:
        model = f"{record.model_name} {record.model_version}"
        first = models.get(model)
        if (first is None and len(models) < MAX_MODELS) or (first is not None and record.event_ms < first):
            models[model] = record.event_ms
        entry = contents.recent.add(record, now_s, is_loading=is_loading)
        if entry is None:
            continue
        if entry.state is TextState.WAITING:
            yield entry
        elif entry.state is TextState.HERE:
            _count_terms(contents, entry, now_s, record.text or "")


def _count_terms(contents: Contents, entry: Entry, now_s: float, text: str) -> None:
    contents.terms.add(entry.record.event_ms / 1000, entry.record.label, text, now_s)
    if contents.reviewed:
        contents.review.add(entry.record, text)
