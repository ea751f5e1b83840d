"""What the dashboard bears: its start with a day of results, and half an hour at a high rate with fifty viewers.

Restart: `--history` results of the last HISTORY_H hours; the time from the start of the process to a page that has
all of them. Live: `--rate` results a second with their input texts for `--minutes`, and `--viewers` subscribers,
one of them Chromium; the memory of the server and the heap of the page from minute SETTLED_MIN on, the frames a
second of each subscriber, and the rate that was reached. In both, one transaction of ABORTED_EVERY is aborted, and
the sums of all buckets are compared with the count of an independent reader with read_committed. Needs Chromium:
`make browser-setup`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx2
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from playwright.sync_api import sync_playwright

from benchmarks.common.measure import WORK, arguments, write
from benchmarks.common.processes import ALL, cpu_s, resident_mib
from benchmarks.common.texts import of_file, tweets
from benchmarks.operation.subscribers import Seen
from sentiment_testing.kafka import REAL, start_kafka
from tests.browser.conftest import CHROMIUM
from tests.browser.stream import LABELS
from tests.support.processes import free_port
from tests.support.topics import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARTITIONS: Final = 4
HISTORY_H: Final = 23.5
"""Within dashboard.history_h, so that all of it is on the page."""
TRANSACTION: Final = 200
ABORTED_EVERY: Final = 20
SETTLED_MIN: Final = 5
SAMPLE_S: Final = 15.0
START_S: Final = 120.0
DAY_S: Final = 86_400
TIMEOUT_S: Final = 60.0
UNCERTAIN: Final = 0.6


@dataclass(frozen=True, slots=True)
class Topics:
    """Fresh topics of one part."""

    servers: str
    texts: str = field(default_factory=lambda: f"texts-{uuid4().hex[:8]}")
    results: str = field(default_factory=lambda: f"sentiments-{uuid4().hex[:8]}")

    def make(self) -> Topics:
        """Creates them: the texts in one partition, so that the offset of each is known."""
        wanted = [NewTopic(self.texts, 1, 1), NewTopic(self.results, PARTITIONS, 1)]
        admin = AdminClient({"bootstrap.servers": self.servers})
        for made in admin.create_topics(wanted).values():
            made.result()
        return self

    def committed(self) -> Counter[str]:
        """Results by label, as an independent reader counts them."""
        found = read_all(self.servers, self.results)
        return Counter(json.loads(one.value() or b"")["label"] for one in found)


class Writer:
    """Writes results as the consumer does, in transactions."""

    def __init__(self, topics: Topics, texts: Sequence[str]) -> None:
        login = {"bootstrap.servers": topics.servers, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
        self._inputs = Producer({**login, "enable.idempotence": True})
        self._results = Producer({**login, "transactional.id": f"load-{uuid4()}"})
        self._results.init_transactions(TIMEOUT_S)
        self._topics = topics
        self._texts = texts
        self._number = 0
        self._transactions = 0

    def write(self, times_ms: Sequence[int], *, inputs: bool) -> None:
        """One transaction; its texts are written before, as far as they are asked for."""
        numbers = range(self._number, self._number + len(times_ms))
        if inputs:
            for number in numbers:
                value = json.dumps({"text": self._texts[number % len(self._texts)]})
                self._inputs.produce(self._topics.texts, value.encode(), partition=0)
            self._inputs.flush(TIMEOUT_S)
        self._results.begin_transaction()
        for number, at_ms in zip(numbers, times_ms, strict=True):
            self._results.produce(
                self._topics.results,
                json.dumps(self._result(number, at_ms)).encode(),
                partition=number % PARTITIONS,
                timestamp=at_ms,
            )
            self._results.poll(0)
        self._results.flush(TIMEOUT_S)  # so that aborted ones are in the topic too
        self._transactions += 1
        if self._transactions % ABORTED_EVERY:
            self._results.commit_transaction(TIMEOUT_S)
        else:
            self._results.abort_transaction(TIMEOUT_S)
        self._number += len(times_ms)

    def _result(self, number: int, at_ms: int) -> dict[str, Any]:
        # A multiple of a prime: labels and scores differ from one to the next, and are the same in each run.
        score = round(0.4 + (number * 7_919 % 600) / 1_000, 4)
        label = LABELS[number * 104_729 // 7 % 3]
        seconds, milliseconds = divmod(at_ms, 1_000)
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return {
            "schema_version": 1,
            "id": str(number),
            "label": label,
            "score": score,
            "probabilities": {one: score if one == label else round((1 - score) / 2, 4) for one in LABELS},
            "uncertain": score < UNCERTAIN,
            "truncated": False,
            "tokens": 24,
            "model": {"name": "minilm", "version": "0123456789ab"},
            "source": {"topic": self._topics.texts, "partition": 0, "offset": number, "timestamp": at_ms - 100},
            "scored_at": f"{clock}.{milliseconds:03}Z",
        }


class Served:
    """A running dashboard."""

    def __init__(self, topics: Topics) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        flags = ("--port", str(self.port), "--result-topics", topics.results)
        login = ("--bootstrap-servers", topics.servers, "--insecure")
        with (WORK / "dashboard.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dashboard", *flags, *login], stdout=log, stderr=log
            )
        self.pid = self._process.pid

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(TIMEOUT_S)

    def page(self, **query: int) -> dict[str, Any]:
        """A frame."""
        answer = httpx2.get(f"{self.url}/api/page", params=query, timeout=TIMEOUT_S, trust_env=False)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def await_live(self) -> list[int]:
        """Waits until the history is complete; the percentages that the page said until then."""
        said: list[int] = []
        deadline = time.monotonic() + START_S
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"the dashboard is not live; see {WORK / 'dashboard.log'}")
            try:
                status = self.page(span=300)["status"]
            except httpx2.TransportError:  # it does not listen yet
                time.sleep(0.05)
                continue
            if status["phase"] == "live":
                return said
            if status["to_load"]:
                said.append(100 * status["loaded"] // status["to_load"])
            time.sleep(0.1)


def restart(servers: str, count: int, texts: Sequence[str]) -> dict[str, Any]:
    """A start with `count` results, those of aborted transactions included."""
    topics = Topics(servers).make()
    writer, end_ms = Writer(topics, texts), time.time_ns() // 1_000_000 - 60_000
    first_ms = end_ms - HISTORY_H * 3_600_000
    times = [round(first_ms + number * HISTORY_H * 3_600_000 / count) for number in range(count)]
    for at in range(0, count, TRANSACTION):
        writer.write(times[at : at + TRANSACTION], inputs=False)
    began = time.monotonic()
    with closing(Served(topics)) as served:
        said = served.await_live()
        seconds = time.monotonic() - began
        counts = served.page(span=DAY_S)["counts"]
        memory = resident_mib(served.pid)
    committed = topics.committed()
    return {
        "results": committed.total(),
        "seconds_to_a_complete_page": round(seconds, 1),
        "progress_shown": f"{len(said)} times, {min(said, default=0)} to {max(said, default=0)} %",
        "memory_mib": memory,
        "sums_are_exact": counts == dict(committed),
    }


def live(servers: str, texts: Sequence[str], rate: int, minutes: float, viewers: int) -> dict[str, Any]:
    """A load, and what it does to server, page and subscribers."""
    topics = Topics(servers).make()
    with ExitStack() as stack:
        served = stack.enter_context(closing(Served(topics)))
        served.await_live()
        seen = stack.enter_context(closing(Seen(served.port, viewers - 1)))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.callback(browser.close)
        page = browser.new_page()
        page.goto(served.url)
        devtools = page.context.new_cdp_session(page)
        began, began_s = time.monotonic(), int(time.time())
        loading = threading.Thread(target=_load, args=(Writer(topics, texts), rate, 60 * minutes), daemon=True)
        loading.start()
        samples: list[tuple[float, float, float]] = []
        before = cpu_s(served.pid)[ALL]
        while loading.is_alive():
            page.wait_for_timeout(1_000 * SAMPLE_S)
            devtools.send("HeapProfiler.collectGarbage")
            heap_mb = devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6
            samples.append(
                (round((time.monotonic() - began) / 60, 2), resident_mib(served.pid), round(heap_mb, 2))
            )
            print("  minute {}: server {} MiB, page {} MB".format(*samples[-1]), flush=True)
        lasted, cpu = time.monotonic() - began, cpu_s(served.pid)[ALL] - before
        frames = seen.frames()
        committed = topics.committed()
        time.sleep(3)
        counts = served.page(start=began_s - 60, end=int(time.time()) + 60)["counts"]
    settled = [sample for sample in samples if sample[0] >= SETTLED_MIN] or samples
    memory, heap = [one[1] for one in settled], [one[2] for one in settled]
    return {
        "results": committed.total(),
        "results_per_s": round(committed.total() / lasted, 1),
        "minutes": round(lasted / 60, 1),
        "viewers": viewers,
        "server_cores": round(cpu / lasted, 2),
        "server_mib_from_minute_5": [min(memory), max(memory)],
        "server_mib_growth": round(max(memory) / memory[0] - 1, 4),
        "page_heap_mb_from_minute_5": [min(heap), max(heap)],
        "page_heap_mb_growth": round(max(heap) - heap[0], 2),
        "frames_per_s_of_a_subscriber": frames,
        "sums_are_exact": counts == dict(committed),
        "samples": samples,
    }


def _load(writer: Writer, rate: int, seconds: float) -> None:
    began, step = time.monotonic(), TRANSACTION * (1 - 1 / ABORTED_EVERY) / rate
    for turn in range(round(seconds / step)):
        time.sleep(max(0.0, began + turn * step - time.monotonic()))
        writer.write([time.time_ns() // 1_000_000] * TRANSACTION, inputs=True)


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--history", type=int, default=1_000_000, help="results of the restart")
    parser.add_argument("--rate", type=int, default=2_000, help="committed results a second")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--viewers", type=int, default=50, help="2 to 50")
    options = parser.parse_args()
    if options.quick:
        options.history, options.minutes = 10_000, 0.5
    texts = of_file(options.texts) if options.texts else tweets()
    figures = {}
    with start_kafka(REAL) as kafka:
        for name, measured in _parts(kafka.bootstrap_servers, options, texts):
            figures[name] = measured
            print(json.dumps({key: value for key, value in measured.items() if key != "samples"}, indent=1))
        write("dashboard_load", figures, options, kafka=kafka.description)


def _parts(servers: str, options: Any, texts: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if options.only in {"", "restart"}:
        yield "restart", restart(servers, options.history, texts)
    if options.only in {"", "live"}:
        yield "live", live(servers, texts, options.rate, options.minutes, options.viewers)


if __name__ == "__main__":
    main()
