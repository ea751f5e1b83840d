"""uvicorn's connections with what it does not bound: how many there are, and how long one may wait for a request.

A process that ran out of file descriptors could not connect to its brokers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

REQUEST_S: Final = 10.0
"""Seconds from the connection, or from the first byte after an answer, to the complete head of a request."""


def bounded(max_connections: int, request_s: float = REQUEST_S) -> type[H11Protocol]:
    """The protocol class of a server; a connection beyond the limit is closed at once."""

    class Connection(H11Protocol):
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.abort()
            else:
                self._limit_wait()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._end_wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # Also for the rest of a body whose request was answered early, which is read and thrown away.
            if self.cycle is None or self.cycle.response_complete:
                self._limit_wait()
            else:
                self._end_wait()

        def _limit_wait(self) -> None:
            if self._due is None:
                self._due = self.loop.call_later(request_s, self.transport.abort)

        def _end_wait(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

    return Connection
