"""The delayed EndTxn: a request to end one transaction that reaches the broker during the next one.

Version 1 of the transaction protocol numbers producers, not transactions. The broker cannot tell such a late
request from a request to end the transaction that is open now.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict

from tests.chaos.brokers.frames import END_TXN, INIT_PRODUCER_ID, PRODUCE, Request

if TYPE_CHECKING:
    from collections.abc import Callable


class Held(TypedDict):
    """The outcome of one armed hold; times are readings of the monotonic clock, in seconds."""

    state: str
    """armed, then held, then released; or lost, if the broker closed the connection in the meantime."""
    transactional_id: str | None
    committed: bool | None
    armed_at: float
    held_at: float | None
    decided_at: float | None
    """When the client's retry, or its new producer, was answered without an error."""
    released_at: float | None
    reason: str | None
    """Why it was released: next transaction, or max_s."""
    answer: int | None
    """The broker's error code for the late request; 0 means that it ended a transaction."""


class Upstream(Protocol):
    """The connection whose client is gone and whose broker still waits."""

    def write_upstream(self, frame: bytes, request: Request) -> bool:
        """Sends the frame and expects its response; False if the connection is closed."""
        ...

    def reset(self) -> None:
        """Closes the rest of it."""
        ...


@dataclass(slots=True)
class _Hold:
    report: Held
    max_s: float
    frame: bytes = b""
    upstream: Upstream | None = None
    request: Request | None = None
    next_write: Request | None = None
    timer: asyncio.TimerHandle | None = None


class Holds:
    """All holds of the proxy; sees every transactional request and its response, on any node."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._holds: list[_Hold] = []
        self._clock = clock

    def arm(self, transactional_id: str | None, max_s: float) -> None:
        """The next matching EndTxn will be held, for at most `max_s` seconds."""
        report = Held(
            state="armed",
            transactional_id=transactional_id,
            committed=None,
            armed_at=self._clock(),
            held_at=None,
            decided_at=None,
            released_at=None,
            reason=None,
            answer=None,
        )
        self._holds.append(_Hold(report, max_s))

    def reports(self) -> list[Held]:
        """One for each hold, in the order in which they were armed."""
        return [hold.report for hold in self._holds]

    @property
    def active(self) -> bool:
        """Whether requests and responses must be inspected."""
        return any(_open(hold) for hold in self._holds)

    def take(self, request: Request, frame: bytes, upstream: Upstream) -> bool:
        """Whether to hold this request; if so, it must not be forwarded and its client must be reset."""
        open_holds = [hold for hold in self._holds if _waits_for(hold, request.transactional_id)]
        if not open_holds:
            return request.api_key == END_TXN and self._hold(request, frame, upstream)
        for hold in open_holds:
            if request.api_key == PRODUCE and hold.report["decided_at"] and not hold.next_write:
                hold.next_write = request
        return False

    def answered(self, request: Request, error: int) -> None:
        """Follows the transactional id while its frame is held."""
        for hold in self._holds:
            if request is hold.request:
                hold.report["answer"] = error
                if hold.upstream:
                    hold.upstream.reset()
            elif not _waits_for(hold, request.transactional_id):
                continue
            elif request is hold.next_write:
                self._release(hold, "next transaction")
            elif request.api_key in {END_TXN, INIT_PRODUCER_ID} and not error:
                hold.report["decided_at"] = hold.report["decided_at"] or self._clock()

    def needs(self, upstream: Upstream) -> bool:
        """Whether this connection to the broker must outlive its client."""
        return any(hold.upstream is upstream and _open(hold) for hold in self._holds)

    def closed(self, upstream: Upstream) -> None:
        """The broker's side of a connection is gone."""
        for hold in self._holds:
            if hold.upstream is upstream and _open(hold):
                hold.report["state"] = "lost"

    def _hold(self, request: Request, frame: bytes, upstream: Upstream) -> bool:
        for hold in self._holds:
            report = hold.report
            if report["state"] == "armed" and report["transactional_id"] in {None, request.transactional_id}:
                hold.request, hold.frame, hold.upstream = request, frame, upstream
                report["state"], report["held_at"] = "held", self._clock()
                report["transactional_id"], report["committed"] = request.transactional_id, request.committed
                hold.timer = asyncio.get_running_loop().call_later(hold.max_s, self._release, hold, "max_s")
                return True
        return False

    def _release(self, hold: _Hold, reason: str) -> None:
        if hold.report["state"] != "held" or not hold.upstream or not hold.request:
            return
        if hold.timer:
            hold.timer.cancel()
        if hold.upstream.write_upstream(hold.frame, hold.request):
            hold.report["state"], hold.report["reason"] = "released", reason
            hold.report["released_at"] = self._clock()
        else:
            hold.report["state"] = "lost"


def _waits_for(hold: _Hold, transactional_id: str) -> bool:
    return hold.report["state"] == "held" and hold.report["transactional_id"] == transactional_id


def _open(hold: _Hold) -> bool:
    return hold.report["state"] != "lost" and hold.report["answer"] is None
