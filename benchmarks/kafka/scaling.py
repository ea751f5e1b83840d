"""The cost of a message as the stream grows: more messages, more partitions, a second process; without a model.

Cost is processor time per message. Memory is that of the process during up to a million messages. It counts from
the 100,000th on, when the score cache (50,000 entries) has long been full.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import arguments, chosen, interleaved, ratio, spread, write
from benchmarks.common.programs import null
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, tweets
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    from benchmarks.common.streams import Run

DELIVERIES: Final = ("at-least-once", "exactly-once")
PARTITIONS: Final = (1, 4, 16, 64)
MEMBERS: Final = (1, 2)
MESSAGES: Final = (10_000, 100_000, 1_000_000)
SETTLED: Final = 100_000
"""Messages after which memory should be flat."""
LEAST_MOMENTS: Final = 20
NAME: Final = "{} messages, {} partitions, {} processes, {}"
POINTS: Final = 60
"""Points of a curve that are kept."""


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--most", type=int, default=MESSAGES[-1], help="messages of the longest run")
    options = parser.parse_args()
    if options.quick:
        options.most = min(options.most, 20_000)
    counts = sorted({min(count, options.most) for count in MESSAGES})
    usual = counts[min(1, len(counts) - 1)]
    source = of_file(options.texts) if options.texts else tweets()
    with start_kafka(REAL) as kafka:

        def one(delivery: str, count: int, partitions: int, members: int) -> Run:
            return run(
                kafka.bootstrap_servers,
                null(options.model, delivery),
                distinct(source, WARM_UP + count),
                partitions=partitions,
                members=members,
            )

        views = {
            "messages": {count: (count, 4, 1) for count in counts},
            "partitions": {number: (usual, number, 1) for number in PARTITIONS},
            "members": {number: (usual, 4, number) for number in MEMBERS},
        }
        contenders = {
            NAME.format(*case, delivery): partial(one, delivery, *case)
            for view in views.values()
            for case in view.values()
            for delivery in DELIVERIES
        }
        runs = interleaved(chosen(contenders, options.only), options.rounds, "{0.rate:,.0f} messages a second")
        figures = {
            what: {delivery: _view(view, delivery, runs) for delivery in DELIVERIES}
            for what, view in views.items()
        }
        write("scaling", figures, options, kafka=kafka.description, messages=usual)


def _view(view: dict[int, tuple[int, int, int]], delivery: str, runs: dict[str, list[Run]]) -> dict[str, Any]:
    """The cases of a view that were run; costs and rates are compared with those of the first of them."""
    names = {str(number): NAME.format(*case, delivery) for number, case in view.items()}
    found = {number: runs[name] for number, name in names.items() if name in runs}
    return {number: _figures(own, next(iter(found.values()))) for number, own in found.items()}


def _figures(runs: list[Run], first: list[Run]) -> dict[str, Any]:
    costs = [one.cpu_us for one in runs]
    memory = runs[-1].memory
    step = max(1, len(memory) // POINTS)
    return {
        "messages_per_s": spread([one.rate for one in runs]),
        "rate_ratio": ratio([one.rate for one in runs], [one.rate for one in first]),
        "cpu_us": spread(costs, 2),
        "cost_ratio": ratio(costs, [one.cpu_us for one in first]),
        "memory_mib": spread([max(resident for _, resident in one.memory) for one in runs]),
        "memory_drift": max((drift for one in runs if (drift := _drift(one)) is not None), default=None),
        "memory_over_messages": memory[::step],
    }


def _drift(one: Run) -> float | None:
    """The largest deviation of memory from its median after the first SETTLED messages, as a share of it.

    None for a run with too few samples after that.
    """
    settled = [resident for written, resident in one.memory if SETTLED <= written < one.messages]
    if len(settled) < LEAST_MOMENTS:
        return None
    middle = statistics.median(settled)
    return round(max(abs(resident - middle) for resident in settled) / middle, 4)


if __name__ == "__main__":
    main()
