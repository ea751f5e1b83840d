"""The cost of the metrics.

- Listener: processor time per message of the events of one publish of 1,024 records, and of one scrape.
- Streams: rate and processor time of the consumer without a model, with and without --metrics-port, interleaved.
  With it a scraper asks every SCRAPE_S seconds, as Prometheus would.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.measure import arguments, interleaved, rates, ratio, spread, write
from benchmarks.programs import null
from benchmarks.streams import WARM_UP, run
from benchmarks.texts import distinct, of_file, tweets
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

    from benchmarks.streams import Run
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
            contenders = {OFF: partial(one, on=False), ON: partial(one, on=True)}
            measured = interleaved(contenders, options.rounds, SHOW)
            figures[delivery] = {"messages": options.messages, **compared(measured, peer=OFF)}
        write("metrics_cost", {"costs": costs, "streams": figures}, options, kafka=kafka.description)


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
    """Rates and processor time a message of each, and their ratios to the peer's in the same round."""
    figures = rates({name: [one.rate for one in own] for name, own in runs.items()}, peer)
    costs = {name: [one.cpu_us for one in own] for name, own in runs.items()}
    for name, own in costs.items():
        figures[name] |= {"cpu_us": spread(own, 2), "cpu_ratio": ratio(own, costs[peer])}
    return figures


def _run(servers: str, model: Path, texts: Sequence[str], delivery: str, *, on: bool) -> Run:
    if not on:
        return run(servers, null(model, delivery), texts)
    port = free_port()
    with _scraped(port):
        return run(servers, null(model, delivery, metrics__port=port), texts)


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
