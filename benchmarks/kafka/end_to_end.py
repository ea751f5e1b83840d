"""Messages a second from topic to topic on a real Kafka: this project's consumer and typical user programs.

All have the same model and no text twice; `streams.run` describes how the time is measured. Ours get more texts
than the others, which are slower, so that each is busy for long enough. Ours also get more texts before the
clock starts, since an engine prepares itself for each new shape of a pass. The ceiling of ours is the bare
scorer without Kafka: once with the consumer's windows, and once with all texts at once, sorted as no stream can
be. Ours run in the processor's own precision, and also in int8 if the model folder holds an export.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from benchmarks.common.measure import arguments, chosen, interleaved, rates, ratio, spread, write
from benchmarks.common.models import long_model
from benchmarks.common.programs import bare, ours, peer, precisions, quix_python, quix_versions
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, reviews, tweets
from consumer.settings import Limits
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.common.streams import Contender, Run

DELIVERIES: Final = ("at-least-once", "exactly-once")
OURS: Final = "ours"
SHARE: Final = {"tweets": 8, "reviews": 4}
"""Factor between our number of texts and that of the others."""
OWN_WARM_UP: Final = {"tweets": 8_192, "reviews": 512}
WINDOW: Final = Limits().batch_records
PEER: Final = "users' loop, pipeline batch 32"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    whole = "for the others one of {}: a multiple of 256, so that windows of 32 of each of 8 keys are full"
    parser.add_argument("--tweets", type=int, default=12_288, help=whole.format(SHARE["tweets"]))
    parser.add_argument("--reviews", type=int, default=1_024, help=whole.format(SHARE["reviews"]))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    if options.quick:
        options.tweets, options.reviews = 256 * SHARE["tweets"], 256 * SHARE["reviews"]
    corpora = {"tweets": (options.model, of_file(options.texts) if options.texts else tweets(), options.tweets)}
    if not options.texts:
        corpora["reviews"] = (long_model(options.model), reviews(), options.reviews)
    figures = {}
    with start_kafka(REAL) as kafka:
        for name, (model, source, count) in corpora.items():
            print(f"{name}: {count} messages")
            texts = distinct(source, (WARM_UP if options.quick else OWN_WARM_UP[name]) + count)
            compared = _compare(kafka.bootstrap_servers, model, texts, (count, count // SHARE[name]), options)
            figures[name] = {"messages": count, "messages_of_others": count // SHARE[name], **compared}
        write("end_to_end", figures, options, kafka=kafka.description, quix_versions=quix_versions())


def _compare(
    servers: str, model: Path, texts: Sequence[str], counts: tuple[int, int], options: argparse.Namespace
) -> dict[str, Any]:
    own, others = counts
    runs: dict[str, list[Run]] = {}

    def rate(name: str, contender: Contender) -> float:
        if name.startswith(OURS):
            seen = run(servers, contender, texts, warm_up=len(texts) - own)
        else:
            seen = run(servers, contender, texts[: WARM_UP + others])
        runs.setdefault(name, []).append(seen)
        return seen.rate

    with tempfile.TemporaryDirectory() as folder:
        programs = chosen(_programs(model, folder), options.only, always=[PEER])
        scorers = {
            (precision, window): bare(model, precision, window)
            for precision in precisions(model)
            for window in (WINDOW, None)
        }
        ceilings = {
            _ceiling_of(*which): partial(_ceiling, score, texts[-own:]) for which, (score, _) in scorers.items()
        }
        measured = interleaved(
            {**{name: partial(rate, name, program) for name, program in programs.items()}, **ceilings},
            options.rounds,
            "{:,.1f} messages a second",
        )
    figures = rates(measured, PEER)
    for name, seen in runs.items():
        if name.startswith(OURS):
            _, precision, _ = name.split(", ")
            for key, window in (("of_ceiling", WINDOW), ("of_one_window", None)):
                figures[name][key] = ratio(measured[name], measured[_ceiling_of(precision, window)])
        figures[name] |= {
            "cpu_us": spread([one.cpu_us for one in seen[1:]]),
            "memory_mib": spread([max(resident for _, resident in one.memory) for one in seen[1:]]),
        }
    return {"engines": {which[0]: engine for which, (_, engine) in scorers.items()}, "programs": figures}


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


def _ceiling_of(precision: str, window: int | None) -> str:
    return f"bare scorer, {precision}, " + (f"windows of {window:,}" if window else "one window")


def _ceiling(score: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    began = time.perf_counter()
    score(texts)
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
