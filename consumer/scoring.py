"""The thread on which the model works, so that the Kafka thread never waits for the device."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.records import Score, Scorer, Unscorable


class ScoringThread:
    """Runs one scorer on one daemon thread, batch after batch in the order they were submitted.

    A daemon, so that a pass that never ends cannot keep the process from ending.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._queue: SimpleQueue[tuple[Future[list[Score | Unscorable]], Sequence[str]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[str]) -> Future[list[Score | Unscorable]]:
        """Queues texts; the future holds their answers in input order, or what the scorer raised."""
        future: Future[list[Score | Unscorable]] = Future()
        self._queue.put((future, texts))
        return future

    def close(self, timeout_s: float) -> bool:
        """Ends the thread after the batch in hand; tells whether it did within the timeout."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, texts = item
            if not future.set_running_or_notify_cancel():
                continue  # abandoned by a recovery before it was begun
            try:
                future.set_result(self._scorer.score(texts) if texts else [])
            except BaseException as error:  # noqa: BLE001 - carried to the Kafka thread, which raises it
                future.set_exception(error)
