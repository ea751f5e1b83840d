"""The work of the host per message, without a model: its rate, its processor time, and its limit.

- Streams: this project's consumer around a scorer that tokenises but has no model, one and two processes of
  it, against a loop that only copies from topic to topic.
- Stages: processor time per message of each step by itself, all threads together, in this process.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from benchmarks.common.measure import arguments, chosen, interleaved, ratio, spread, write
from benchmarks.common.programs import null, peer
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, tweets
from benchmarks.kafka.host_stages import cpu_of_stages
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmarks.common.streams import Contender, Run

BASE: Final = "copy loop"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    if options.quick:
        options.messages = 5_000
    texts = distinct(of_file(options.texts) if options.texts else tweets(), WARM_UP + options.messages)
    with start_kafka(REAL) as kafka:
        streams = _streams(kafka.bootstrap_servers, texts, options)
        stages = _stages(kafka.bootstrap_servers, texts[WARM_UP:], options)
        figures = {"messages": options.messages, "streams": streams, "stages_us": stages}
        write("host_path", figures, options, kafka=kafka.description)


def _streams(servers: str, texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    model = options.model
    programs: dict[str, tuple[Contender, int]] = {
        BASE: (peer("copy_loop.py", model), 1),
        "copy loop, two processes": (peer("copy_loop.py", model), 2),
        "no model, at-least-once": (null(model, "at-least-once"), 1),
        "no model, exactly-once": (null(model, "exactly-once"), 1),
        "no model, at-least-once, two processes": (null(model, "at-least-once"), 2),
        "no model, exactly-once, two processes": (null(model, "exactly-once"), 2),
    }
    runs: dict[str, list[Run]] = {}

    def rate(name: str, contender: Contender, members: int) -> float:
        seen = run(servers, contender, texts, members=members)
        runs.setdefault(name, []).append(seen)
        return seen.rate

    picked = chosen(programs, options.only, always=[BASE])
    measured = interleaved(
        {name: partial(rate, name, *program) for name, program in picked.items()},
        options.rounds,
        "{:,.0f} messages a second",
    )
    return {
        name: {
            "messages_per_s": spread(measured[name]),
            "ratio": ratio(measured[name], measured[BASE]),
            "cpu_us": spread([one.cpu_us for one in seen[1:]]),
            "busy_cores": {kind: _busy(seen[1:], kind) for kind in seen[0].cpu_s},
        }
        for name, seen in runs.items()
    }


def _busy(runs: Sequence[Run], kind: str) -> float:
    """How many cores were busy; a value near 1 in the main thread means that it is the limit."""
    return round(statistics.median(one.cpu_s[kind] / one.seconds for one in runs), 2)


def _stages(servers: str, texts: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Microseconds of processor time per message by stage; rounds in sequence, a first one discarded."""
    seen: dict[str, list[float]] = {}
    for number in range(options.rounds + 1):
        for stage, seconds in cpu_of_stages(servers, options.model, texts).items():
            if number:
                seen.setdefault(stage, []).append(seconds / len(texts) * 1e6)
    figures = {stage: spread(values, 2) for stage, values in seen.items()}
    figures["sum"] = spread([sum(values) for values in zip(*seen.values(), strict=True)], 2)
    for stage, value in figures.items():
        print(f"  {stage}: {value['median']:.2f} us")
    return figures


if __name__ == "__main__":
    main()
