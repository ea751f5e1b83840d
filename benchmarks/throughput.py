"""How fast this service is against what a user would write, with the same model on the same tweets.

Two questions, each answered by the ratio of rates measured in turn, A B A B, in one process:
- the scorer alone, against the Hugging Face pipeline at batch size 32;
- from a topic to a topic of a real Kafka, against the loop a user writes around that pipeline.
Needs the demo's model and data (`make demo`) and a real Kafka, which it starts as the tests do.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow.parquet as pq
import structlog
import torch
import transformers
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from consumer.preflight import Preflight, RetentionWatch
from consumer.scorer.torch_padded import TorchScorer
from consumer.scoring import ScoringThread
from consumer.service import consume
from consumer.settings import ConsumerSettings
from shared.artifact import open_artifact
from shared.kafka import KafkaSettings
from shared.messages import ModelRef
from tests.support.kafka import broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODEL = Path(".demo/model")
TWEETS = Path(".demo/vader-tweets.parquet")
RESULTS = Path(__file__).parent / "results" / "throughput.json"
MESSAGES = 1_000
ROUNDS = 3
PARTITIONS = 3


def main() -> None:
    """Measures both questions, prints the table and writes it as JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    texts = pq.read_table(TWEETS, columns=["text"]).column("text").to_pylist()[:MESSAGES]
    scorer = TorchScorer(open_artifact(MODEL), "cpu")
    pipeline: Any = transformers.pipeline(
        "text-classification", str(MODEL), device="cpu", dtype=torch.float32, top_k=None
    )
    engines = _interleaved(
        {"ours": lambda: scorer.score(texts), "peer": lambda: pipeline(texts, batch_size=32, truncation=True)}
    )
    with broker() as kafka:
        streams = _interleaved(
            {
                "ours, at-least-once": lambda: _ours(kafka.bootstrap_servers, texts, scorer, "at-least-once"),
                "ours, exactly-once": lambda: _ours(kafka.bootstrap_servers, texts, scorer, "exactly-once"),
                "peer": lambda: _users_loop(kafka.bootstrap_servers, texts, pipeline),
            }
        )
        _write(engines, streams, kafka.description)


def _interleaved(contenders: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Runs all in turn, a discarded round first; returns messages a second by name."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(ROUNDS + 1):
        for name, contender in contenders.items():
            began = time.perf_counter()
            seconds = contender()
            elapsed = seconds if isinstance(seconds, float) else time.perf_counter() - began
            if round_number:
                rates[name].append(MESSAGES / elapsed)
    return rates


def _ours(servers: str, texts: Sequence[str], scorer: TorchScorer, delivery: str) -> float:
    """Seconds from joining the group to the last result acknowledged and its offset committed."""
    names = _topics(servers, texts)
    settings = ConsumerSettings.model_validate(
        {
            "kafka": KafkaSettings(bootstrap_servers=servers, insecure=True),
            "group_id": str(uuid4()),
            "input_topics": names[0],
            "output_topic": names[1],
            "dlq_topic": names[1],
            "delivery": delivery,
            "max_messages": len(texts),
        }
    )
    preflight = Preflight(settings)
    scoring = ScoringThread(scorer)
    began = time.perf_counter()
    totals = consume(
        settings,
        partitions=preflight.partitions(),
        scoring=scoring,
        labels=scorer.labels,
        model=ModelRef(name="benchmark", version="0"),
        stop=threading.Event(),
        watch=RetentionWatch(names[1], preflight.output_config()),
    )
    elapsed = time.perf_counter() - began
    assert totals.results == len(texts)  # noqa: S101
    scoring.close(10)
    return elapsed


def _users_loop(servers: str, texts: Sequence[str], pipeline: Any) -> float:
    """The loop of many a tutorial: read 32, score, produce, flush, commit."""
    names = _topics(servers, texts)
    producer = Producer({"bootstrap.servers": servers})
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": str(uuid4()),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    began = time.perf_counter()
    consumer.subscribe([names[0]])
    done = 0
    while done < len(texts):
        messages = [message for message in consumer.consume(32, 1.0) if message.error() is None]
        if not messages:
            continue
        answers = pipeline(
            [json.loads(message.value() or b"")["text"] for message in messages], batch_size=32, truncation=True
        )
        for message, answer in zip(messages, answers, strict=True):
            producer.produce(names[1], key=message.key(), value=json.dumps(answer))
        producer.flush()
        consumer.commit(asynchronous=False)
        done += len(messages)
    consumer.close()
    return time.perf_counter() - began


def _topics(servers: str, texts: Sequence[str]) -> tuple[str, str]:
    names = (f"texts-{uuid4()}", f"sentiments-{uuid4()}")
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic(name, PARTITIONS) for name in names]).values():
        future.result()
    producer = Producer({"bootstrap.servers": servers})
    for number, text in enumerate(texts):
        producer.produce(names[0], value=json.dumps({"text": text}), partition=number % PARTITIONS)
    producer.flush()
    return names


def _write(engines: dict[str, list[float]], streams: dict[str, list[float]], kafka: str) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": f"{torch.get_num_threads()} threads, {_processor()}",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "kafka": kafka},
        "messages": MESSAGES,
        "rounds": ROUNDS,
        "scorer": _summary(engines),
        "stream": _summary(streams),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _summary(rates: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Medians with their ranges, and the median over rounds of each ratio to the peer."""
    return {
        name: {
            "messages_per_s": round(statistics.median(values), 1),
            "range": [round(min(values), 1), round(max(values), 1)],
            "ratio_to_peer": round(
                statistics.median(a / b for a, b in zip(values, rates["peer"], strict=True)), 2
            ),
        }
        for name, values in rates.items()
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
