"""Subscribers of the dashboard's frames, which count what they get; a process of their own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any, Final

import httpx2
import numpy as np

END_S: Final = 30
PEAK_S: Final = 10.0


class Seen:
    """Subscribers that run until `frames` is asked for."""

    def __init__(self, port: int, count: int) -> None:
        command = [sys.executable, "-m", "benchmarks.operation.subscribers", str(port), str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def frames(self) -> dict[str, Any]:
        """Frames a second by subscriber: the least, the most, and the most that one got in PEAK_S."""
        said, _ = self._process.communicate("\n", timeout=END_S)
        found: dict[str, Any] = json.loads(said)
        return found

    def close(self) -> None:
        """Ends them."""
        self._process.kill()
        self._process.wait()


async def subscribe(port: int, count: int) -> dict[str, Any]:
    """Reads frames until standard input has a line."""
    ends = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    limits = httpx2.Limits(max_connections=count)
    times: list[list[float]] = [[] for _ in range(count)]
    address = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=address, timeout=None, limits=limits, trust_env=False) as client:

        async def one(own: list[float]) -> None:
            async with client.stream("GET", "/api/stream") as answer:
                answer.raise_for_status()
                async for chunk in answer.aiter_bytes():
                    own.extend([time.monotonic()] * chunk.count(b"event: frame\n"))

        readers = [asyncio.create_task(one(own)) for own in times]
        began = time.monotonic()
        await asyncio.wait([asyncio.ensure_future(ends), *readers], return_when=asyncio.FIRST_COMPLETED)
        lasted = time.monotonic() - began
        for reader in readers:
            if reader.done():
                reader.result()  # a subscriber that was cut off is an error
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    rates = [len(own) / lasted for own in times]
    return {
        "least": round(min(rates), 2),
        "most": round(max(rates), 2),
        "most_in_10_s": max(map(_peak, times)),
    }


def _peak(times: list[float]) -> int:
    """The most frames within any PEAK_S, the first one apart, which comes at once."""
    later = np.array(times[1:])
    return int(np.max(np.searchsorted(later, later + PEAK_S) - np.arange(len(later)), initial=0))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(subscribe(int(sys.argv[1]), int(sys.argv[2])))))
