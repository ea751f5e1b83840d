"""The current work of the scheduler's threads and when it began, for the stall watchdog."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Work:
    """Work that has not ended; `since_s` is its start on the monotonic clock."""

    name: str
    since_s: float
    threads: tuple[threading.Thread, ...]
    """The threads that do it."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Sizes, for the log; never a text."""


class Progress:
    """The work of each thread. Each thread reports its own; any thread may read."""

    def __init__(self) -> None:
        self.changed_s = time.monotonic()
        """Time of the last progress, on the monotonic clock."""
        self._work: dict[threading.Thread, Work] = {}

    def note(self) -> None:
        """Records progress at this moment."""
        self.changed_s = time.monotonic()

    @contextmanager
    def doing(self, name: str, **facts: object) -> Iterator[None]:
        """Marks the calling thread as at work; afterwards its outer work starts again at that moment."""
        thread = threading.current_thread()
        before = self._work.get(thread)
        self.note()
        self._work[thread] = Work(name, self.changed_s, (thread,), facts)
        try:
            yield
        finally:
            self.note()
            if before is None:
                del self._work[thread]
            else:
                self._work[thread] = replace(before, since_s=self.changed_s)

    def running(self) -> list[Work]:
        """All work that has not ended."""
        return list(self._work.values())  # one step under the GIL, so that it needs no lock
