"""The time at a given load from a message's due time until a subscriber has its result.

The load is open: due times do not depend on answers, so a stall delays all messages that come in the meantime
(no coordinated omission). Loads are shares of the capacity that the same run measures before. A result counts
when a `read_committed` subscriber has it; the broker's own time of it is given as well.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from benchmarks.common.measure import ROOT, WORK, arguments, interleaved, spread, write
from benchmarks.common.programs import ours
from benchmarks.common.streams import PARTITIONS, WARM_UP, fresh_topics, produce, quiet, run, started
from benchmarks.common.texts import distinct, of_file, tweets
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.common.streams import Contender, Job

DELIVERIES: Final = ("at-least-once", "exactly-once")
LOADS: Final = (0.10, 0.50, 0.80, 0.95)
PERCENTILES: Final = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}
ANSWER_S: Final = 60.0
"""How long after the last message results may still arrive."""


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="duration of each load in each round")
    parser.add_argument("--messages", type=int, default=4_096, help="for the measurement of the capacity")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.messages = 2, 512
    programs = {delivery: ours(options.model, delivery) for delivery in DELIVERIES}
    source = of_file(options.texts) if options.texts else tweets()
    with start_kafka(REAL) as kafka:
        servers = kafka.bootstrap_servers
        texts = distinct(source, WARM_UP + options.messages)
        capacities = interleaved(
            {name: partial(_capacity, servers, program, texts) for name, program in programs.items()},
            options.rounds,
            "{:,.1f} messages a second",
        )
        capacity = {name: statistics.median(rates) for name, rates in capacities.items()}
        seen: dict[tuple[str, float], list[dict[str, float]]] = {}
        for number in range(options.rounds + 1):
            for name, program in programs.items():
                for load, figures in _loads(
                    servers, program, source, capacity[name], seed=number, seconds=options.seconds
                ).items():
                    shown = ", ".join(f"{percentile} {figures[percentile]:.0f} ms" for percentile in PERCENTILES)
                    print(f"  {name}, {load:.0%} load: {shown}{'' if number else ' (discarded)'}", flush=True)
                    if number:
                        seen.setdefault((name, load), []).append(figures)
        result = {
            name: {
                "capacity_per_s": spread(capacities[name]),
                "loads": {
                    str(load): {key: spread([one[key] for one in seen[name, load]]) for key in seen[name, load][0]}
                    for load in LOADS
                },
            }
            for name in programs
        }
        write("latency", result, options, kafka=kafka.description, seconds=options.seconds)


def _capacity(servers: str, program: Contender, texts: Sequence[str]) -> float:
    return run(servers, program, texts).rate


def _loads(
    servers: str, program: Contender, source: list[str], capacity: float, *, seed: int, seconds: float
) -> dict[float, dict[str, float]]:
    """All loads in turn on one warm process."""
    counts = [int(capacity * load * seconds * 1.5) + 10 for load in LOADS]
    texts = iter(distinct(source, WARM_UP + sum(counts)))
    answers = {}
    with (
        fresh_topics(servers) as job,
        started(program, job, 1, PARTITIONS),
        contextlib.closing(Subscriber(job)) as subscriber,
    ):
        produce(Producer(quiet(servers)), job.source, [next(texts) for _ in range(WARM_UP)])
        subscriber.receive(WARM_UP)
        for load, count in zip(LOADS, counts, strict=True):
            file = WORK / "sent.jsonl"
            file.write_text("\n".join(json.dumps(next(texts)) for _ in range(count)), encoding="utf-8")
            schedule = [str(capacity * load), str(seconds), str(seed)]
            command = [sys.executable, "-m", "benchmarks.common.sender", servers, job.source, str(file), *schedule]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sender:
                said, latencies, appended = subscriber.follow(sender)
            answers[load] = {
                "per_s": round(said["sent"] / seconds, 1),
                **_percentiles(latencies),
                **{f"broker_{name}": value for name, value in _percentiles(appended).items()},
                "sender_late_p99": said["late_p99_ms"],
            }
    return answers


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    return {name: round(float(np.percentile(milliseconds, at)), 2) for name, at in PERCENTILES.items()}


class Subscriber:
    """Reads results one by one as soon as they may be read."""

    def __init__(self, job: Job) -> None:
        self._consumer = Consumer(
            {
                **quiet(job.servers),
                "group.id": f"reader-{uuid4()}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign(
            [TopicPartition(job.target, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
        )

    def close(self) -> None:
        """Stops it before its broker stops."""
        self._consumer.close()

    def receive(self, count: int) -> None:
        """Takes `count` results and discards them."""
        deadline = time.monotonic() + ANSWER_S
        while count and time.monotonic() < deadline:
            message = self._consumer.poll(0.1)
            count -= message is not None and message.error() is None
        if count:
            raise TimeoutError(f"{count} results are missing")

    def follow(self, sender: subprocess.Popen[str]) -> tuple[dict[str, float], list[float], list[float]]:
        """Takes results until there is one for each message that the sender sent; raises TimeoutError.

        Returns the sender's report, and for each message the milliseconds from its due time until its result was
        read here, and until the broker had it.
        """
        said: dict[str, float] = {}
        latencies: list[float] = []
        appended: list[float] = []
        deadline = float("inf")
        while not said or len(latencies) < said["sent"]:
            message = self._consumer.poll(0.1)
            now = time.time()
            if message is not None and message.error() is None:
                due_ms = int(json.loads(message.value() or b"")["id"].partition(":")[2]) / 1e3
                latencies.append(now * 1000 - due_ms)
                appended.append(message.timestamp()[1] - due_ms)
            if not said and sender.poll() is not None and sender.stdout is not None:
                said = json.loads(sender.stdout.read())
                deadline = time.monotonic() + ANSWER_S
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(latencies)} results of {said['sent']} messages")
        return said, latencies, appended


if __name__ == "__main__":
    main()
