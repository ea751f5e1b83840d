"""Scores the texts of requests with the stream's scheduler: who is let in, how long they wait, who has left.

All on the event loop of the HTTP thread, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from consumer.http.messages import chunks
from consumer.http.problems import Problem
from shared.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from consumer.http.problems import Reason
    from consumer.http.settings import HttpSettings
    from consumer.http.state import ServiceState
    from shared.inference.types import Score, Unscorable

LATER_S: Final = 5
"""Retry-After where nothing says how long it takes: while a model is loaded or a crash is isolated."""


class ClientLeft(Exception):  # noqa: N818 - nobody is there to be answered
    """The client has closed its connection."""


class RequestScoring:
    """The scheduler as requests may use it."""

    def __init__(self, settings: HttpSettings, state: ServiceState) -> None:
        self._settings = settings
        self._state = state
        self._requests: dict[int, float] = {}
        """Requests in hand, the oldest first, and when they began on the clock of the event loop."""
        self._numbers = count()
        self._waiting_texts = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request while it is in hand; raises Problem where it cannot be taken now."""
        if self._state.scheduler is None:
            raise Problem(503, "starting", "the model is not loaded yet; try again", retry_after_s=LATER_S)
        if self._state.is_isolating():
            detail = "records of the stream are scored alone, since a process has crashed on one; try again"
            raise Problem(503, "isolating", detail, retry_after_s=LATER_S)
        if len(self._requests) >= self._settings.max_requests:
            raise self._too_many("too_many_requests", f"{len(self._requests)} requests are in hand")
        number = next(self._numbers)
        self._requests[number] = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            del self._requests[number]

    def normalised(self, text: str) -> str:
        """A text of an admitted request as the model gets it."""
        assert self._state.scheduler is not None  # noqa: S101 - `admitted` has seen it
        return self._state.scheduler.normalise(text)

    async def score(
        self, texts: Sequence[str], *, deadline_s: float, left: Callable[[], Awaitable[None]]
    ) -> list[Score | Unscorable]:
        """Scores texts of an admitted request until `deadline_s` of the loop's clock; returns them in order.

        `left` returns once the client has left. What is not scored by then, or when it is too late, is dropped.
        Raises Problem or ClientLeft.
        """
        scheduler = self._state.scheduler
        assert scheduler is not None  # noqa: S101 - `admitted` has seen it
        if self._waiting_texts + len(texts) > self._settings.max_waiting_texts:
            raise self._too_many("too_many_texts_waiting", f"{self._waiting_texts} texts wait for their scores")
        self._waiting_texts += len(texts)
        futures = [asyncio.wrap_future(scheduler.submit(one, low_priority=True)) for one in chunks(texts)]
        answers = asyncio.gather(*futures)
        answers.add_done_callback(_note)
        gone = asyncio.ensure_future(left())
        first: set[asyncio.Future[Any]] = {answers, gone}
        try:
            seconds = max(0.0, deadline_s - asyncio.get_running_loop().time())
            await asyncio.wait(first, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answers.done():
                return self._answers(answers)
            if gone.done():
                raise ClientLeft
            detail = f"the texts were not scored within {self._settings.timeout_s:g} s and are dropped; send fewer"
            raise Problem(503, "timeout", detail, retry_after_s=self._retry_after_s())
        finally:
            answers.cancel()
            gone.cancel()
            self._waiting_texts -= len(texts)

    def _answers(self, answers: asyncio.Future[list[list[Score | Unscorable]]]) -> list[Score | Unscorable]:
        try:
            return list(chain.from_iterable(answers.result()))
        except ScorerError as error:
            self._state.fail(error)
            detail = "the device or the model has failed, and the process ends; try again"
            raise Problem(503, "scorer_failed", detail, retry_after_s=LATER_S) from None

    def _too_many(self, reason: Reason, what: str) -> Problem:
        detail = f"{what}, and no more are taken; try again later"
        return Problem(429, reason, detail, retry_after_s=self._retry_after_s())

    def _retry_after_s(self) -> int:
        """As long as the oldest request has waited: what is queued now takes about as long."""
        now_s = asyncio.get_running_loop().time()
        oldest_s = next(iter(self._requests.values()), now_s)
        return max(1, min(math.ceil(now_s - oldest_s), math.ceil(self._settings.timeout_s)))


def _note(answers: asyncio.Future[Any]) -> None:
    """Marks an error as seen: asyncio would log that of a request which is over, with its message."""
    if not answers.cancelled():
        answers.exception()
