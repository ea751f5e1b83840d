"""What 50 clients over HTTP cost a loaded stream, and how long they wait.

The stream alone, with a port that nobody uses, and with clients, in turn. A client sends one text, waits for its
answer, and sends the next; after 429 and 503 it waits as long as Retry-After says. The clients are a process of
their own on the same machine, at the lowest priority, since elsewhere they would take nothing of the service's
processors. Their latency counts from the request to the whole answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import numpy as np

from benchmarks.common.measure import ROOT, WORK, arguments, interleaved, ratio, spread, write
from benchmarks.common.programs import ours
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, tweets
from consumer.http.settings import HttpSettings
from sentiment_testing.kafka import REAL, start_kafka
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CLIENTS: Final = 50
ALONE: Final = "stream alone"
IDLE: Final = "stream, port without clients"
LOADED: Final = f"stream and {CLIENTS} clients"
PERCENTILES: Final = (50, 99, 100)
FIRST_TRY_S: Final = 0.05
ENDS_S: Final = 30


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=12_288)
    parser.add_argument("--share", type=float, default=HttpSettings().stream_share, help="http.stream_share")
    options = parser.parse_args()
    if options.quick:
        options.messages = 2_048
    source = of_file(options.texts) if options.texts else tweets()
    texts = distinct(source, WARM_UP + options.messages)
    own = WORK / "http-texts.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(json.dumps([f"{text} over http" for text in source]), encoding="utf-8")
    seen: list[dict[str, Any]] = []

    with start_kafka(REAL) as kafka:
        stream = partial(_stream, kafka.bootstrap_servers, options.model, texts, options.share)

        def loaded() -> float:
            port = free_port()
            with _clients(port, own) as said:
                rate = stream(port)
            seen.append(said)
            return rate

        contenders: dict[str, Callable[[], float]] = {
            ALONE: partial(stream, None),
            IDLE: lambda: stream(free_port()),
            LOADED: loaded,
        }
        measured = interleaved(contenders, options.rounds, "{:,.1f} messages a second")
        figures = {
            "messages_per_s": {name: spread(rates) for name, rates in measured.items()},
            "ratio": {name: ratio(rates, measured[ALONE]) for name, rates in measured.items()},
            "requests": seen[1:],
        }
        for one in seen[1:]:
            print(f"  clients: {one}")
        write("http_clients", figures, options, kafka=kafka.description, share=options.share)


def _stream(servers: str, model: Path, texts: Sequence[str], share: float, port: int | None) -> float:
    settings = {} if port is None else {"http__port": port, "http__stream_share": share}
    return run(servers, ours(model, "exactly-once", **settings), texts).rate


@contextmanager
def _clients(port: int, texts: Path) -> Iterator[dict[str, Any]]:
    """Clients of a port within the block; what they saw is there when it ends."""
    command = [sys.executable, "-m", "benchmarks.operation.http_clients", "clients", str(port), str(texts)]
    said: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield said
        out, _ = process.communicate("end\n", ENDS_S)
    said.update(json.loads(out))


async def send(port: int, texts: Sequence[str]) -> dict[str, Any]:
    """Sends texts until standard input has a line or the service has gone; returns what the clients saw."""
    statuses: Counter[str] = Counter()
    seconds: list[float] = []
    ends = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    limits = httpx2.Limits(max_connections=CLIENTS)
    address = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=address, timeout=ENDS_S, limits=limits, trust_env=False) as client:

        async def one(number: int) -> None:
            while not ends.done():
                began_s = time.perf_counter()
                text = f"{texts[number % len(texts)]} {number}"
                number += CLIENTS
                try:
                    response = await client.post("/v1/score", json={"text": text})
                except httpx2.TransportError:
                    await asyncio.sleep(FIRST_TRY_S)  # it does not listen yet, or no longer
                    continue
                is_scored = response.status_code == httpx2.codes.OK
                statuses[f"{response.status_code} {'' if is_scored else response.json()['reason']}".strip()] += 1
                if is_scored:
                    seconds.append(time.perf_counter() - began_s)
                else:
                    await asyncio.sleep(float(response.headers.get("retry-after", FIRST_TRY_S)))

        began_s = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(CLIENTS)))
        lasted_s = time.perf_counter() - began_s
    latencies = [round(float(one), 1) for one in np.percentile(np.array(seconds or [0.0]) * 1000, PERCENTILES)]
    return {
        "statuses": dict(statuses),
        "scored_per_s": round(len(seconds) / lasted_s, 1),
        "ms": dict(zip(("p50", "p99", "max"), latencies, strict=True)),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        os.nice(19)
        print(json.dumps(asyncio.run(send(int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text("utf-8"))))))
    else:
        main()
