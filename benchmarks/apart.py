"""What Kafka adds to the scorer when it does not take the scorer's processor: each has cores of its own.

The consumer, and the bare scorer in a process like it, have the first half of the cores; the broker and this
program have the other. Where all share two cores, as in `end_to_end`, what the broker takes the scorer misses.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from benchmarks.measure import ROOT, arguments, interleaved, rates, write
from benchmarks.programs import bare, ours, pinned, precisions
from benchmarks.streams import Command, run
from benchmarks.texts import distinct, tweets
from consumer.settings import Limits
from tests.support.kafka import broker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.streams import Contender, Job

DELIVERIES: Final = ("at-least-once", "exactly-once")
WARM_UP: Final = 4_096


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=8_192)
    parser.add_argument("--bare", help="only the bare scorer, in this precision; prints its rate")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    if options.quick:
        options.messages = 256
    texts = distinct(tweets(), WARM_UP + options.messages)
    if options.bare:
        print(_bare(options.model, options.bare, texts))
        return
    cores = sorted(os.sched_getaffinity(0))
    first, second = cores[: len(cores) // 2], cores[len(cores) // 2 :]
    os.sched_setaffinity(0, second)  # inherited by the broker and this program's own clients
    with broker() as kafka:
        figures = {}
        for precision in precisions(options.model):
            programs = {
                delivery: partial(
                    _rate, kafka.bootstrap_servers, _on(first, options.model, delivery, precision), texts
                )
                for delivery in DELIVERIES
            }
            scorer = [sys.executable, "-m", "benchmarks.apart", "--bare", precision, "--model", str(options.model)]
            command = pinned(Command([*scorer, "--messages", str(options.messages)], dict(os.environ)), first)
            measured = interleaved(
                {"bare scorer": partial(_printed, command), **programs},
                options.rounds,
                "{:,.1f} messages a second",
            )
            figures[precision] = rates(measured, "bare scorer")
    write("apart", figures, options, kafka=kafka.description, cores=[len(first), len(second)])


def _on(cores: Sequence[int], model: Path, delivery: str, precision: str) -> Contender:
    program = ours(model, delivery, precision=precision)

    def start(job: Job, member: int) -> Command:
        return pinned(program(job, member), cores)

    return start


def _rate(servers: str, program: Contender, texts: Sequence[str]) -> float:
    return run(servers, program, texts, warm_up=WARM_UP).rate


def _printed(command: Command) -> float:
    done = subprocess.run(
        command.arguments, env=command.environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _bare(model: Path, precision: str, texts: Sequence[str]) -> float:
    score, _ = bare(model, precision, Limits().batch_records)  # type: ignore[arg-type]
    score(texts[:WARM_UP])
    began = time.perf_counter()
    score(texts[WARM_UP:])
    return (len(texts) - WARM_UP) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
