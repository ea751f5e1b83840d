"""Network faults on demand: a TCP proxy in front of every node that understands Kafka's frames.

It runs as a process of its own (tests/chaos/brokers/forwarder.py), so that it does not compete with the tests
for their interpreter. One fault per node at a time: a new one replaces the previous one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.chaos.brokers.holds import Held

ROOT: Final = Path(__file__).parents[3]
STOP_S = 10.0


class ProxyError(Exception):
    """The proxy's process has ended; its log says why."""


class Proxy:
    """Sends commands to the proxy's process, from any thread; each command is in force when it returns."""

    def __init__(self, ports: Sequence[tuple[int, int]], log: Path) -> None:
        """Node n is reached through ports[n]: the proxy's own port, then the broker's."""
        self._log = log
        self._lock = threading.Lock()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.brokers.forwarder", *(f"{port}:{up}" for port, up in ports)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self._answer()  # the proxy listens

    def clear(self, node: int | None = None) -> None:
        """Ends the fault of one node or of all; armed and held EndTxn requests stay as they are."""
        self._call("clear", node=node)

    def latency(self, node: int, seconds: float) -> None:
        """Delays every chunk of bytes, in both directions, in order."""
        self._call("latency", node=node, seconds=seconds)

    def slow(self, node: int, seconds: float, requests: Collection[int]) -> None:
        """Delays requests of these kinds and what follows them; `clear` resets their connections."""
        self._call("slow", node=node, seconds=seconds, requests=sorted(requests))

    def stall(self, node: int) -> None:
        """Forwards nothing in either direction; connections stay open, and nothing is lost when the fault ends."""
        self._call("stall", node=node)

    def black_hole(self, node: int) -> None:
        """Swallows all bytes in both directions; connections that lost some are reset when the fault ends."""
        self._call("black_hole", node=node)

    def reset(self, node: int) -> None:
        """Resets every current connection of the node (RST); new ones work."""
        self._call("reset", node=node)

    def refuse(self, node: int) -> None:
        """Resets every connection, new ones too as they arrive."""
        self._call("refuse", node=node)

    def hold_end_txn(self, *, max_s: float = 10.0, transactional_id: str | None = None) -> None:
        """Arms the proxy for the next EndTxn, of any id by default, on any node.

        The request is kept from the broker and its client is reset, so the client retries it on a new
        connection. The broker gets the first request when the id's next transaction has written, that is when a
        Produce request that was sent after the retry had been answered is answered itself; or after `max_s`.
        """
        self._call("hold_end_txn", max_s=max_s, transactional_id=transactional_id)

    def held(self) -> list[Held]:
        """The outcome of each armed hold, in order."""
        return cast("list[Held]", self._call("held"))

    def close(self) -> None:
        """Ends the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _call(self, name: str, **arguments: Any) -> Any:
        line = json.dumps({"call": name, **arguments}) + "\n"
        with self._lock:
            assert self._process.stdin
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except OSError:
                raise self._ended() from None
            return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> ProxyError:
        return ProxyError(f"the proxy ended: {self._log.read_text(errors='replace')[-2000:]}")
