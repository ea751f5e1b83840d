"""Sampling of repeated warnings: the first ones in full, then one line an interval, with the count.

A broker that is away or a stream that has drifted for good says the same several times a second, and other lines
are lost among them. Nothing is left out without a count.
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from shared.log_output.stderr_queue import start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

FIRST: Final = 5
"""Lines of a warning that are written in full."""
INTERVAL_S: Final = 60.0
"""Seconds between two lines of a warning after that; a warning that was silent for as long begins anew."""
MAX_KINDS: Final = 1_000
"""Different warnings with a count of their own, at most; those beyond share the count of their event."""

_DIGITS: Final = re.compile(r"\d+")
REPEATED: Final = "repeated"
"""Field of a line that speaks for others too: the number of lines since the last one, this one included."""
TRACE_FIELDS: Final = ("trace_id", "span_id")
"""OpenTelemetry's names of the trace that a line belongs to."""
_UNCOUNTED: Final = frozenset(("event", *TRACE_FIELDS))


class _Kind:
    """What is known of one warning."""

    __slots__ = ("due_s", "last", "left_out", "written")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        """End of the interval, on the monotonic clock."""
        self.written = 0
        self.left_out = 0
        """Lines since the last one that was written."""
        self.last: dict[str, Any] = {}
        """The newest line that was left out."""


class Sampler:
    """A processor of structlog, the first one; any thread may log. It neither blocks nor raises.

    Two warnings are the same if event and all fields that are texts are; numbers within a sentence do not count,
    nor do fields that are numbers, lists or mappings, nor the ids of a trace.
    """

    def __init__(
        self,
        write: Callable[[EventDict], object],
        *,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None], str], object] = start_daemon,
    ) -> None:
        """`write` gets the fields of a line that is written late; `start` runs the thread that writes them."""
        self._write = write
        self._clock = clock
        self._start = start
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._is_started = False
        # Re-entrant: a finaliser that runs while it is held may warn.
        self._changed = threading.Condition(threading.RLock())

    def __call__(self, _logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
        """Passes a line on, or leaves it out; only warnings are left out, errors never."""
        if method != "warning":
            return fields
        with self._changed:
            is_full = self._admit(fields)
        if not is_full:
            raise structlog.DropEvent
        return fields

    def _admit(self, fields: EventDict) -> bool:
        now_s, key = self._clock(), _key(fields)
        if key not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._forget(now_s)
        if key not in self._kinds and len(self._kinds) >= MAX_KINDS:
            key = key[:1]
        kind = self._kinds.get(key)
        if kind is None or (now_s >= kind.due_s and not kind.left_out):
            kind = self._kinds[key] = _Kind(now_s + INTERVAL_S)
        if kind.written < FIRST:
            kind.written += 1
            return True
        kind.left_out += 1
        kind.last = dict(fields)
        if not self._is_started:
            self._is_started = True
            self._start(self._write_all, "log-sampling")
        if kind.left_out == 1:
            self._changed.notify_all()
        return False

    def _forget(self, now_s: float) -> None:
        self._kinds = {key: kind for key, kind in self._kinds.items() if kind.left_out or now_s < kind.due_s}

    def write_due(self, *, everything: bool = False) -> float | None:
        """Writes a line for each warning whose interval is over; returns the seconds until the next is due.

        None if nothing is left out. With `everything` the rest is not waited for, as at the end of a process.
        """
        with self._changed:
            now_s = self._clock()
            waiting = [kind for kind in self._kinds.values() if kind.left_out]
            lines = []
            for kind in waiting:
                if everything or now_s >= kind.due_s:
                    lines.append(kind.last | {REPEATED: kind.left_out})
                    kind.left_out, kind.due_s = 0, now_s + INTERVAL_S
            rest = [kind.due_s - now_s for kind in waiting if kind.left_out]
        for line in lines:
            self._write(line)
        return min(rest, default=None)

    def _write_all(self) -> None:
        while True:
            wait_s = self.write_due()
            with self._changed:
                if wait_s is not None or not any(kind.left_out for kind in self._kinds.values()):
                    self._changed.wait(wait_s)


def _key(fields: EventDict) -> tuple[str, ...]:
    """The event first, and then what tells warnings of one event apart."""
    texts = (one for one in fields.items() if one[0] not in _UNCOUNTED and isinstance(one[1], str))
    # Sentences quote durations and counts, which differ each time; the digits of a name tell topics apart.
    plain = (f"{name}={_DIGITS.sub('0', value) if ' ' in value else value}" for name, value in texts)
    return (str(fields.get("event")), *plain)
