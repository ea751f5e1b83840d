"""One connection through the proxy: two sockets, the bytes between them, and the faults that delay them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from tests.chaos.brokers.frames import Frames, Request, api_key_of, correlation_of, error_of, transactional_request

if TYPE_CHECKING:
    from tests.chaos.brokers.forwarder import Door

QUEUE_BYTES: Final = 4 << 20
"""How many bytes one direction may buffer under latency before its sender has to wait."""
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One socket of a link: reads for the other side, writes its own bytes in order, after a delay if set."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued = 0
        self._obstacles: set[str] = set()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = cast("asyncio.Transport", transport)
        if self._obstacles:
            self.transport.pause_reading()
        self._link.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._link.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.transport = None
        self._link.closed(self, reset=exc is not None)

    def pause_writing(self) -> None:
        """Called by asyncio when the receiver is slower than the sender."""
        self._link.other(self).block("receiver")

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._link.other(self).unblock("receiver")

    def block(self, obstacle: str) -> None:
        """Stops reading until every obstacle is gone."""
        self._obstacles.add(obstacle)
        if self.transport:
            self.transport.pause_reading()

    def unblock(self, obstacle: str) -> None:
        """Reads on if this was the last obstacle."""
        self._obstacles.discard(obstacle)
        if self.transport and not self._obstacles:
            self.transport.resume_reading()

    @property
    def delayed(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._queue)

    def send(self, data: bytes, delay_s: float) -> None:
        """Writes after `delay_s`, and never before anything that was sent earlier."""
        if not self.transport or not data:
            return
        if not delay_s and not self._queue:
            self.transport.write(data)
            return
        due = asyncio.get_running_loop().time() + delay_s
        self._queue.append((max(due, self._queue[-1][0]) if self._queue else due, data))
        self._queued += len(data)
        if self._queued > QUEUE_BYTES:
            self._link.other(self).block("queue")
        if len(self._queue) == 1:
            self._write_due()

    def end(self, *, reset: bool) -> None:
        """Closes the socket: after the pending writes, or by RST."""
        if not self.transport:
            return
        if reset:
            sock = cast("socket.socket", self.transport.get_extra_info("socket"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()
        else:
            self.transport.close()

    def _write_due(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and self._queue[0][0] <= loop.time():
            _due, data = self._queue.popleft()
            self._queued -= len(data)
            if self.transport:
                self.transport.write(data)
        if self._queued <= QUEUE_BYTES:
            self._link.other(self).unblock("queue")
        if self._queue:
            loop.call_at(self._queue[0][0], self._write_due)


class Link:
    """A client's connection to one node, under the fault that applies to that node."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.client = Side(self)
        self.upstream = Side(self)
        self.swallowed = False
        self._slowed = False
        """Whether the bytes that arrive now contain a slow request."""
        self._slow_until = 0.0
        self._requests = Frames(self._pass_request)
        self._responses = Frames(self._pass_response)
        self._expected: dict[int, Request] = {}
        self._holds = door.holds

    @property
    def holds_slow(self) -> bool:
        """Whether a slow request is still on its way."""
        return self._slow_until > asyncio.get_running_loop().time() and self.upstream.delayed

    def other(self, side: Side) -> Side:
        """The other side."""
        return self.upstream if side is self.client else self.client

    def opened(self, side: Side) -> None:
        """A client has connected, or the broker has accepted the connection."""
        if side is self.client:
            self._door.opened(self)
        elif self.client.transport is None:  # the client left while we were connecting
            self.reset()
        else:
            self.client.unblock("connecting")

    def received(self, side: Side, data: bytes) -> None:
        """Forwards bytes unless the fault swallows them."""
        if self._door.swallows:
            self.swallowed = True
            return
        frames = self._requests if side is self.client else self._responses
        passed, delay_s = frames.feed(data), self._door.delay_s
        if self._slowed:
            self._slowed, delay_s = False, max(delay_s, self._door.slow_s)
            self._slow_until = asyncio.get_running_loop().time() + delay_s
        self.other(side).send(passed, delay_s)

    def closed(self, side: Side, *, reset: bool) -> None:
        """One side is gone, so the other is closed; but not a broker from which a request is held back."""
        if side is self.upstream:
            self._holds.closed(self)
            self.client.end(reset=reset)
        elif not self._holds.needs(self):
            self.upstream.end(reset=reset)
        if self.client.transport is None and self.upstream.transport is None:
            self._door.closed(self)

    def reset(self) -> None:
        """Ends both sides by RST."""
        self.client.end(reset=True)
        self.upstream.end(reset=True)

    def write_upstream(self, frame: bytes, request: Request) -> bool:
        """Sends a frame that was held back; its response will be inspected."""
        if not self.upstream.transport:
            return False
        self._expected[request.correlation_id] = request
        self.upstream.send(frame, 0)
        return True

    def _pass_request(self, beginning: bytes) -> bool:
        self._slowed |= api_key_of(beginning) in self._door.slow_requests
        if not self._holds.active:
            return True
        request = transactional_request(beginning)
        if request is None:
            return True
        if self._holds.take(request, beginning, self):
            self.client.end(reset=True)
            return False
        self._expected[request.correlation_id] = request
        return True

    def _pass_response(self, beginning: bytes) -> bool:
        if self._expected and (request := self._expected.pop(correlation_of(beginning), None)):
            self._holds.answered(request, error_of(beginning, request))
        return True
