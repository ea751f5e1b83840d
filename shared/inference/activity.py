"""What the threads of the scheduler are doing, and since when: what the stall watchdog looks at."""

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
    """Something that began at a moment of the monotonic clock and has not ended."""

    name: str
    since_s: float
    threads: tuple[threading.Thread, ...]
    """Those that are inside it."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Sizes, for the log; never a text."""


class Progress:
    """The work of each thread. Each thread tells its own; any may ask."""

    def __init__(self) -> None:
        self.changed_s = time.monotonic()
        """When work last began or ended."""
        self._work: dict[threading.Thread, Work] = {}

    def note(self) -> None:
        """Says that something has moved on."""
        self.changed_s = time.monotonic()

    @contextmanager
    def doing(self, name: str, **facts: object) -> Iterator[None]:
        """Says that the calling thread is at work; what it did before goes on anew afterwards."""
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
        """What is being worked at."""
        return list(self._work.values())
