"""Messages a second from a topic to a topic of a real Kafka: this project's consumer and what others would write.

All have the same model and no text twice; see `streams.run` for how the clock runs. Ours get more texts than the
others, who are slower, so that each is busy for long enough. The bare scorer, which is handed all texts of ours
at once and has no Kafka around it, is the ceiling of ours. Ours run in the processor's own precision, and in int8
too where the model folder holds an export.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from benchmarks.measure import arguments, chosen, interleaved, rates, ratio, spread, write
from benchmarks.models import long_model
from benchmarks.programs import bare, ours, peer, precisions, quix_python, quix_versions
from benchmarks.streams import WARM_UP, run
from benchmarks.texts import distinct, of_file, reviews, tweets
from tests.support.kafka import broker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.streams import Contender, Run

DELIVERIES: Final = ("at-least-once", "exactly-once")
OURS: Final = "ours"
SHARE: Final = 4
"""How many times more texts ours get."""
PEER: Final = "users' loop, pipeline batch 32"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    whole = f"for the others 1 of {SHARE}: a multiple of 256, so that windows of 32 of each of 8 keys are full"
    parser.add_argument("--tweets", type=int, default=8_192, help=whole)
    parser.add_argument("--reviews", type=int, default=1_024, help=whole)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    if options.quick:
        options.tweets = options.reviews = 256 * SHARE
    corpora = {"tweets": (options.model, of_file(options.texts) if options.texts else tweets(), options.tweets)}
    if not options.texts:
        corpora["reviews"] = (long_model(options.model), reviews(), options.reviews)
    figures = {}
    with broker() as kafka:
        for name, (model, source, count) in corpora.items():
            print(f"{name}: {count} messages")
            texts = distinct(source, WARM_UP + count)
            compared = _compare(kafka.bootstrap_servers, model, texts, options)
            figures[name] = {"messages": count, "messages_of_others": count // SHARE, **compared}
        write("end_to_end", figures, options, kafka=kafka.description, quix_versions=quix_versions())


def _compare(servers: str, model: Path, texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    runs: dict[str, list[Run]] = {}

    def rate(name: str, contender: Contender) -> float:
        count = len(texts) - WARM_UP
        own = texts if name.startswith(OURS) else texts[: WARM_UP + count // SHARE]
        seen = run(servers, contender, own)
        runs.setdefault(name, []).append(seen)
        return seen.rate

    with tempfile.TemporaryDirectory() as folder:
        programs = chosen(_programs(model, folder), options.only, always=[PEER])
        scorers = {precision: bare(model, precision) for precision in precisions(model)}
        ceilings = {
            _ceiling_of(precision): partial(_ceiling, score, texts[WARM_UP:])
            for precision, (score, _) in scorers.items()
        }
        measured = interleaved(
            {**{name: partial(rate, name, program) for name, program in programs.items()}, **ceilings},
            options.rounds,
            "{:,.1f} messages a second",
        )
    figures = rates(measured, PEER)
    for name, seen in runs.items():
        if ceiling := next((_ceiling_of(one) for one in scorers if name.startswith(f"{OURS}, {one}")), None):
            figures[name]["of_ceiling"] = ratio(measured[name], measured[ceiling])
        figures[name] |= {
            "cpu_us": spread([one.cpu_us for one in seen[1:]]),
            "memory_mib": spread([max(resident for _, resident in one.memory) for one in seen[1:]]),
        }
    return {"engines": {precision: engine for precision, (_, engine) in scorers.items()}, "programs": figures}


def _programs(model: Path, folder: str) -> dict[str, Contender]:
    quix = partial(peer, "quix_app.py", model, python=quix_python())
    return {
        **{
            f"{OURS}, {precision}, {delivery}": ours(model, delivery, precision=precision)
            for precision in precisions(model)
            for delivery in DELIVERIES
        },
        PEER: peer("users_loop.py", model),
        "FastStream, batches of 32": peer("faststream_app.py", model),
        "Quix Streams, one by one": quix("one", folder),
        "Quix Streams, windows of 32": quix("windows", folder),
    }


def _ceiling_of(precision: str) -> str:
    return f"bare scorer, {precision}, no Kafka"


def _ceiling(score: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    began = time.perf_counter()
    score(texts)
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
