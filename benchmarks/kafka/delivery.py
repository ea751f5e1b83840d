"""The cost of exactly-once: its rate against at-least-once, on a real Kafka, in one run, interleaved.

Two scorers: one that costs 1 ms for 32 messages, so that everything around the model is the limit, and the
demo's model (`make demo` trains it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import arguments, interleaved, rates, write
from benchmarks.common.programs import null, ours
from benchmarks.common.streams import WARM_UP, run
from benchmarks.common.texts import distinct, of_file, tweets
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.common.streams import Contender

DELIVERIES: Final = ("at-least-once", "exactly-once")
CHEAP_MS: Final = 1.0


def main() -> None:
    """Measures both scorers, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--cheap-messages", type=int, default=60_000)
    parser.add_argument("--model-messages", type=int, default=4_096)
    options = parser.parse_args()
    if options.quick:
        options.cheap_messages, options.model_messages = 5_000, 512
    source = of_file(options.texts) if options.texts else tweets()
    scorers: dict[str, tuple[Callable[[str], Contender], int]] = {
        "1 ms for 32 messages": (
            lambda delivery: null(options.model, delivery, pass_ms=CHEAP_MS),
            options.cheap_messages,
        ),
        "the demo's model": (lambda delivery: ours(options.model, delivery), options.model_messages),
    }
    figures = {}
    with start_kafka(REAL) as kafka:
        for name, (program, count) in scorers.items():
            if options.only in name:
                print(name)
                texts = distinct(source, WARM_UP + count)
                figures[name] = {
                    "messages": count,
                    **_compare(kafka.bootstrap_servers, program, texts, options.rounds),
                }
        write("delivery", figures, options, kafka=kafka.description)


def _compare(
    servers: str, program: Callable[[str], Contender], texts: Sequence[str], rounds: int
) -> dict[str, Any]:
    contenders = {
        delivery: lambda delivery=delivery: run(servers, program(delivery), texts).rate for delivery in DELIVERIES
    }
    return rates(interleaved(contenders, rounds, "{:,.0f} messages a second"), peer="at-least-once")


if __name__ == "__main__":
    main()
