"""How fast this service is against what a user would write, with the same model on the same tweets.

Two questions, each answered by the ratio of rates measured in turn, A B A B, in one process:
- the scorer alone, against the Hugging Face pipeline at batch size 32;
- from a topic to a topic of a real Kafka, against the loop a user writes around that pipeline.
Needs the demo's model and data (`make demo`) and a real Kafka, which it starts as the tests do.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pyarrow.parquet as pq
import structlog
import torch
import transformers
from confluent_kafka import Consumer, Producer

from benchmarks.measure import Stream, fresh_topics, interleaved, summary, write
from consumer.scorer.choose import load_scorer
from consumer.scoring import Scoring
from shared.artifact import open_artifact
from tests.support.kafka import broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODEL: Final = Path(".demo/model")
TWEETS: Final = Path(".demo/vader-tweets.parquet")
MESSAGES: Final = 1_000
ROUNDS: Final = 3


def main() -> None:
    """Measures both questions, prints the figures and writes them as JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    texts = pq.read_table(TWEETS, columns=["text"]).column("text").to_pylist()[:MESSAGES]
    scorer = load_scorer(open_artifact(MODEL), "cpu")
    scoring = Scoring(scorer)
    pipeline: Any = transformers.pipeline(
        "text-classification", str(MODEL), device="cpu", dtype=torch.float32, top_k=None
    )
    engines = interleaved(
        {
            "ours": lambda: _rate(lambda: scoring.score(texts)),
            "peer": lambda: _rate(lambda: pipeline(texts, batch_size=32, truncation=True)),
        },
        ROUNDS,
    )
    with broker() as kafka:
        stream = Stream(kafka.bootstrap_servers, scorer, texts)
        streams = interleaved(
            {
                "ours, at-least-once": lambda: stream.run("at-least-once"),
                "ours, exactly-once": lambda: stream.run("exactly-once"),
                "peer": lambda: _users_loop(kafka.bootstrap_servers, texts, pipeline),
            },
            ROUNDS,
        )
        figures = {"scorer": summary(engines, peer="peer"), "stream": summary(streams, peer="peer")}
        write("throughput", figures, kafka=kafka.description, messages=MESSAGES, rounds=ROUNDS)


def _rate(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return MESSAGES / (time.perf_counter() - began)


def _users_loop(servers: str, texts: Sequence[str], pipeline: Any) -> float:
    """The loop of many a tutorial: read 32, score, produce, flush, commit. Timed from the first read."""
    names = fresh_topics(servers, texts)
    producer = Producer({"bootstrap.servers": servers})
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": str(uuid4()),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    began = 0.0
    consumer.subscribe([names[0]])
    done = 0
    while done < len(texts):
        messages = [message for message in consumer.consume(32, 1.0) if message.error() is None]
        if not messages:
            continue
        began = began or time.perf_counter()
        answers = pipeline(
            [json.loads(message.value() or b"")["text"] for message in messages], batch_size=32, truncation=True
        )
        for message, answer in zip(messages, answers, strict=True):
            producer.produce(names[1], key=message.key(), value=json.dumps(answer))
        producer.flush()
        consumer.commit(asynchronous=False)
        done += len(messages)
    consumer.close()
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
