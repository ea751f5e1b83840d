"""What exactly-once costs: its rate against at-least-once, on a real Kafka, in one run, interleaved.

Two scorers: one that costs 1 ms for 32 messages, so that everything around the model is the limit, and the
demo's model on the CPU (`make demo` trains it). Each contender reads its own topics, which were filled before.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq
import structlog

from benchmarks.measure import Stream, interleaved, summary, write
from consumer.records import Score
from consumer.scorer.choose import load_scorer
from shared.artifact import open_artifact
from tests.support.kafka import broker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.records import Scorer

MODEL: Final = Path(".demo/model")
TWEETS: Final = Path(".demo/vader-tweets.parquet")
CHEAP_MESSAGES: Final = 60_000
MODEL_MESSAGES: Final = 3_000
ROUNDS: Final = 5


class CheapScorer:
    """Takes 1 ms for 32 texts, as a GPU might, and answers the same to all."""

    labels = ("negative", "neutral", "positive")
    concurrency = 1
    batch_tokens = 100_000
    pads = False

    def normalise(self, text: str) -> str:
        """Leaves it as it is."""
        return text

    def tokenise(self, texts: Sequence[str]) -> Sequence[str]:
        """Leaves them as they are."""
        return texts

    def forward(self, rows: Sequence[str]) -> list[Score | None]:
        """Answers in order."""
        time.sleep(len(rows) / 32 / 1000)
        return [Score((0.25, 0.25, 0.5), 24, 24, truncated=False) for _ in rows]

    def describe(self) -> dict[str, str]:
        """Says that it is no model."""
        return {"name": "none", "version": "0", "engine": "1 ms for 32 texts", "device": "none"}


def main() -> None:
    """Measures both scorers, prints the figures and writes them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["cheap", "model"])
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    tweets = pq.read_table(TWEETS, columns=["text"]).column("text").to_pylist()
    cheap = [tweets[number % len(tweets)] for number in range(CHEAP_MESSAGES)]
    figures = {}
    with broker() as kafka:
        if arguments.only != "model":
            figures["1 ms for 32 messages"] = _compare(
                kafka.bootstrap_servers, CheapScorer(), cheap, arguments.rounds
            )
        if arguments.only != "cheap":
            model = load_scorer(open_artifact(MODEL), "cpu")
            texts = tweets[:MODEL_MESSAGES]
            figures["MiniLM, fp32, CPU"] = _compare(kafka.bootstrap_servers, model, texts, arguments.rounds)
        write("delivery", figures, kafka=kafka.description, rounds=arguments.rounds)


def _compare(servers: str, scorer: Scorer, texts: Sequence[str], rounds: int) -> dict[str, object]:
    stream = Stream(servers, scorer, texts)
    rates = interleaved(
        {
            "at-least-once": lambda: stream.run("at-least-once"),
            "exactly-once": lambda: stream.run("exactly-once"),
        },
        rounds,
    )
    return {"messages": len(texts), **summary(rates, peer="at-least-once")}


if __name__ == "__main__":
    main()
