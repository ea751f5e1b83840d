"""The proxy's own process: one listening port per node, and commands that arrive on standard input.

`python -m tests.chaos.brokers.forwarder PORT:UPSTREAM...`; `proxy.py` sends the commands. Each command is a line
of JSON and is answered by a line of JSON. The process ends when its standard input does, so it never outlives
the tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

from tests.chaos.brokers.holds import Holds
from tests.chaos.brokers.link import Link

LOCALHOST: Final = "127.0.0.1"


class Door:
    """The port in front of one node, its connections, and the fault that applies to them."""

    def __init__(self, upstream_port: int, holds: Holds) -> None:
        self.holds = holds
        self.swallows = False
        self.delay_s = 0.0
        self.slow_requests: frozenset[int] = frozenset()
        """Requests of these kinds take `slow_s` longer."""
        self.slow_s = 0.0
        self._upstream_port = upstream_port
        self._links: set[Link] = set()
        self._stalls = False
        self._refuses = False
        self._connecting: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> None:
        """Starts to listen; raises OSError if the port is taken."""
        await asyncio.get_running_loop().create_server(lambda: Link(self).client, LOCALHOST, port)

    def clear(self) -> None:
        """Forwards again; resets connections that lost bytes to a black hole or still hold slow ones."""
        self._refuses, self.swallows, self.delay_s, self.slow_requests = False, False, 0.0, frozenset()
        self._stall(stalls=False)
        for link in [link for link in self._links if link.swallowed or link.holds_slow]:
            link.reset()

    def latency(self, seconds: float) -> None:
        """Delays every chunk of bytes in both directions."""
        self.clear()
        self.delay_s = seconds

    def slow(self, seconds: float, requests: list[int]) -> None:
        """Delays requests with these API keys."""
        self.clear()
        self.slow_requests, self.slow_s = frozenset(requests), seconds

    def stall(self) -> None:
        """Keeps connections open and forwards nothing."""
        self.clear()
        self._stall(stalls=True)

    def black_hole(self) -> None:
        """Swallows all bytes."""
        self.clear()
        self.swallows = True

    def refuse(self) -> None:
        """Resets all connections, new ones too."""
        self.clear()
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Resets all current connections."""
        for link in list(self._links):
            link.reset()

    def opened(self, link: Link) -> None:
        """Connects a new client's link to the node."""
        self._links.add(link)
        if self._refuses:
            link.reset()
            return
        link.client.block("connecting")
        if self._stalls:
            link.client.block("stall")
            link.upstream.block("stall")
        task = asyncio.get_running_loop().create_task(self._connect(link))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def closed(self, link: Link) -> None:
        """Forgets a link after both of its sides have closed."""
        self._links.discard(link)

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: link.upstream, LOCALHOST, self._upstream_port)
        except OSError:  # the node is down, and its client must notice
            link.reset()

    def _stall(self, *, stalls: bool) -> None:
        self._stalls = stalls
        for link in self._links:
            for side in (link.client, link.upstream):
                (side.block if stalls else side.unblock)("stall")


async def serve(ports: list[tuple[int, int]]) -> None:
    """Forwards until standard input ends; any unexpected error ends the process."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_end_on_error)
    holds = Holds()
    doors = [Door(upstream, holds) for _port, upstream in ports]
    for door, (port, _upstream) in zip(doors, ports, strict=True):
        await door.listen(port)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    _reply({"listening": True})
    async for line in commands:
        _reply(_obey(json.loads(line), doors, holds))


def _obey(command: dict[str, Any], doors: list[Door], holds: Holds) -> Any:
    name, node = command.pop("call"), command.pop("node", None)
    if name == "held":
        return holds.reports()
    if name == "hold_end_txn":
        holds.arm(**command)
        return None
    for door in doors if node is None else [doors[node]]:
        getattr(door, name)(**command)
    return None


def _reply(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _end_on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    loop.default_exception_handler(context)
    loop.stop()


if __name__ == "__main__":
    pairs = [argument.split(":") for argument in sys.argv[1:]]
    asyncio.run(serve([(int(port), int(upstream)) for port, upstream in pairs]))
