"""The cost of the metrics.

- Listener: processor time per message of the events of one publish of 1,024 records, and of one scrape.
- Streams: rate and processor time of the consumer without a model, with and without --metrics-port. With it a
  scraper asks every SCRAPE_S seconds, as Prometheus would. Both run at the same time, on a core each, and change
  cores from round to round: in turn, two equal runs differ by a tenth on a virtual machine.
"""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.common.measure import arguments, rates, spread, write
from benchmarks.common.programs import null
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, tweets
from consumer.events import BatchSubmitted, OffsetsCommitted, TransactionChanged
from consumer.monitoring.lag import InHand
from consumer.monitoring.listener import MetricsListener
from consumer.monitoring.values import Values
from sentiment_testing.kafka import REAL, start_kafka
from shared.inference.types import PassRun, TextsTokenised
from tests.support.fakes import oracle, published, record
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.common.streams import Command, Contender, Job, Run
    from consumer.events import Event

SCRAPE_S: Final = 5.0
DELIVERIES: Final = ("at-least-once", "exactly-once")
RECORDS: Final = 1_024
REPEATS: Final = 20
OFF: Final = "metrics off"
ON: Final = "metrics on"
SHOW: Final = "{0.rate:,.0f} messages a second, {0.cpu_us:.1f} us of processor time each"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    options = parser.parse_args()
    if options.quick:
        options.messages = 5_000
    costs = _costs()
    print("  {listener_us} us a message in the listener, {scrape_ms} ms a scrape".format(**costs))
    if options.only == "listener":
        return
    texts = distinct(of_file(options.texts) if options.texts else tweets(), WARM_UP + options.messages)
    figures = {}
    with start_kafka(REAL) as kafka:
        for delivery in DELIVERIES:
            print(delivery)
            one = partial(_run, kafka.bootstrap_servers, options.model, texts, delivery)
            measured: dict[str, list[Run]] = {OFF: [], ON: []}
            for number in range(options.rounds):
                for name, found in _at_once(
                    {OFF: partial(one, on=False), ON: partial(one, on=True)}, number
                ).items():
                    print(f"  {name}: {SHOW.format(found)}", flush=True)
                    measured[name].append(found)
            figures[delivery] = {"messages": options.messages, **compared(measured, peer=OFF)}
        about = {"kafka": kafka.description, "side_by_side": True}
        write("metrics_cost", {"costs": costs, "streams": figures}, options, **about)


def _costs() -> dict[str, float]:
    values = Values()
    listener = MetricsListener(values, InHand())
    registry = CollectorRegistry()
    registry.register(values)
    scores = [oracle(f"text {number}") for number in range(RECORDS)]
    records = [record(offset=number) for number in range(RECORDS)]
    events: list[Event] = [
        BatchSubmitted(records, size=100 * RECORDS, read_wait_s=0.01, decode_s=0.01),
        TextsTokenised(texts=RECORDS, rows=RECORDS, seconds=0.01),
        PassRun(rows=RECORDS, tokens=20 * RECORDS, waited_s=0.01, seconds=0.01),
        TransactionChanged("begun"),
        TransactionChanged("committed"),
        OffsetsCommitted({("texts", 0): RECORDS}),
        published(
            records,
            batches=1,
            scores=scores,
            uncertain=1,
            unknown=1,
            tokens=20 * RECORDS,
            computed_tokens=20.0 * RECORDS,
            repeated=1,
            lag_records=1,
        ),
    ]

    def publish() -> None:
        for event in events:
            listener(event)

    return {
        "listener_us": round(cpu_s(publish) / RECORDS * 1e6, 2),
        "scrape_ms": round(cpu_s(lambda: generate_latest(registry)) * 1e3, 2),
    }


def cpu_s(work: Callable[[], object]) -> float:
    """Processor seconds: the least of several measurements, as whatever else runs only makes it longer."""
    seen = []
    for _ in range(REPEATS):
        began = time.thread_time()
        for _ in range(REPEATS):
            work()
        seen.append((time.thread_time() - began) / REPEATS)
    return min(seen)


def compared(runs: Mapping[str, Sequence[Run]], peer: str) -> dict[str, dict[str, Any]]:
    """Rates and processor time a message of each, and their ratios to the peer's in the same round.

    `error` is the standard error of the mean ratio of processor times.
    """
    figures = rates({name: [one.rate for one in own] for name, own in runs.items()}, peer)
    costs = {name: [one.cpu_us for one in own] for name, own in runs.items()}
    for name, own in costs.items():
        ratios = [cost / of_peer for cost, of_peer in zip(own, costs[peer], strict=True)]
        error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else None
        figures[name] |= {"cpu_us": spread(own, 2), "cpu_ratio": round(statistics.mean(ratios), 3)}
        figures[name]["error"] = None if error is None else round(error, 3)
    return figures


def _at_once(contenders: Mapping[str, Callable[[int], Run]], number: int) -> dict[str, Run]:
    """Runs all at the same time, each on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))[: len(contenders)]
    with ThreadPoolExecutor(len(contenders)) as pool:
        running = {
            name: pool.submit(one, cores[(place + number) % len(cores)])
            for place, (name, one) in enumerate(contenders.items())
        }
        return {name: future.result() for name, future in running.items()}


def _run(servers: str, model: Path, texts: Sequence[str], delivery: str, core: int, *, on: bool) -> Run:
    if not on:
        return run(servers, _on_core(null(model, delivery), core), texts)
    port = free_port()
    with _scraped(port):
        return run(servers, _on_core(null(model, delivery, metrics__port=port), core), texts)


def _on_core(contender: Contender, core: int) -> Contender:
    def start(job: Job, member: int) -> Command:
        command = contender(job, member)
        return replace(command, arguments=["taskset", "--cpu-list", str(core), *command.arguments])

    return start


@contextmanager
def _scraped(port: int) -> Iterator[None]:
    done = threading.Event()

    def scrape() -> None:
        while not done.wait(SCRAPE_S):
            # Not there yet, or no more.
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SCRAPE_S) as answer:
                answer.read()

    thread = threading.Thread(target=scrape, name="scraper")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
