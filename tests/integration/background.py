"""A step that is repeated in the background of a test."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Repeats `step` on a thread of its own while it is entered; leaving raises what a step raised."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends after the step in hand."""
        self._done.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @abstractmethod
    def step(self) -> None:
        """Runs once, on the thread."""

    def _run(self) -> None:
        try:
            while not self._done.wait(self._pause_s):
                self.step()
        except Exception as failure:  # noqa: BLE001 - raised by the thread of the test
            self._failure = failure
