"""Makes the frames of viewers: one for each different selection, and terms anew every few seconds only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from dashboard.views.page import frame
from dashboard.views.selection import stretch_of
from dashboard.views.topics import terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.stream.status import Status
    from dashboard.views.selection import Selection
    from dashboard.window.window import Window

# Counting a thousand blocks takes 30 ms, in which the reader waits.
TERMS_S: Final = 3.0
"""Seconds for which the terms of a selection are kept."""
MAX_KEPT: Final = 64


class Frames:
    """Any thread."""

    def __init__(
        self, window: Window, status: Status, fixed: Mapping[str, Any], polarity: Mapping[str, int]
    ) -> None:
        """`fixed` is what never changes: the model's card, and what is connected."""
        self._window = window
        self._status = status
        self._fixed = fixed
        self._polarity = polarity
        self._lock = threading.Lock()
        self._terms: dict[tuple[int, int | None, int | None, str], tuple[float, dict[str, Any]]] = {}

    def page(self, selection: Selection) -> dict[str, Any]:
        """A frame as JSON values."""
        now_s = self._window.now_s()
        with self._window.open() as contents:
            found = frame(contents, selection, now_s, polarity=self._polarity)
        return found | {"terms": self._terms_of(selection), "status": self._status.as_json(), "fixed": self._fixed}

    def encoded(self, selection: Selection) -> bytes:
        """A frame as an event of a stream."""
        return b"event: frame\ndata: " + to_json(self.page(selection)) + b"\n\n"

    def _terms_of(self, selection: Selection) -> dict[str, Any] | None:
        if self._window.hidden:
            return None
        key = (selection.span, selection.start, selection.end, selection.label)
        with self._lock:
            kept = self._terms.get(key)
        if kept is not None and time.monotonic() - kept[0] < TERMS_S:
            return kept[1]
        with self._window.open() as contents:
            found = terms(contents.terms, stretch_of(selection, self._window.now_s()), selection.label)
        with self._lock:
            self._terms.pop(key, None)
            self._terms[key] = time.monotonic(), found
            while len(self._terms) > MAX_KEPT:
                del self._terms[next(iter(self._terms))]
        return found
