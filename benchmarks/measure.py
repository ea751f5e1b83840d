"""What the benchmarks share: streams over fresh topics, runs in turn, and figures as ratios."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import torch
import transformers
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.preflight import Preflight
from consumer.scoring import Scoring
from consumer.service import consume
from consumer.settings import ConsumerSettings
from shared.kafka import KafkaSettings
from shared.messages import ModelRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.records import Scorer

RESULTS: Final = Path(__file__).parent / "results"
PARTITIONS: Final = 3
WRITE_S: Final = 120.0


def fresh_topics(servers: str, texts: Sequence[str]) -> tuple[str, str]:
    """An input topic filled with the texts, and an empty output topic."""
    names = (f"texts-{uuid4()}", f"sentiments-{uuid4()}")
    with AdminClient({"bootstrap.servers": servers}) as admin:
        for future in admin.create_topics([NewTopic(name, PARTITIONS) for name in names]).values():
            future.result()
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 1_000_000})
    for number, text in enumerate(texts):
        producer.produce(names[0], value=json.dumps({"text": text}), partition=number % PARTITIONS)
        producer.poll(0)
    if producer.flush(WRITE_S):
        raise TimeoutError("the benchmark's input could not be written")
    return names


class Stream:
    """The product's own consumer over fresh topics."""

    def __init__(self, servers: str, scorer: Scorer, texts: Sequence[str]) -> None:
        self._servers = servers
        self._scorer = scorer
        self._texts = texts

    def run(self, delivery: str, **limits: int) -> float:
        """Messages a second from the first record read to the last result and offset committed."""
        texts, sentiments = fresh_topics(self._servers, self._texts)
        settings = ConsumerSettings.model_validate(
            {
                "kafka": KafkaSettings(bootstrap_servers=self._servers, insecure=True),
                "group_id": str(uuid4()),
                "input_topics": texts,
                "output_topic": sentiments,
                "dlq_topic": sentiments,
                "delivery": delivery,
                "max_messages": len(self._texts),
                "limits": limits,
            }
        )
        preflight = Preflight(settings)
        scoring = Scoring(self._scorer)
        first_read: list[float] = []
        totals = consume(
            settings,
            partitions=preflight.partitions(),
            scoring=scoring,
            labels=self._scorer.labels,
            model=ModelRef(name="benchmark", version="0"),
            stop=threading.Event(),
            observe=lambda _: first_read.append(time.perf_counter()),
        )
        elapsed_s = time.perf_counter() - first_read[0]
        if totals.results != len(self._texts):
            raise AssertionError(f"{totals.results} results of {len(self._texts)} messages")
        scoring.close(10)
        return len(self._texts) / elapsed_s


def interleaved(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs all in turn, a discarded round first; returns what each answered, messages a second, by name."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            rate = contender()
            print(f"  {name}: {rate:,.0f} messages a second{'' if number else ' (discarded)'}", flush=True)
            if number:
                rates[name].append(rate)
    return rates


def summary(rates: Mapping[str, Sequence[float]], *, peer: str) -> dict[str, dict[str, Any]]:
    """Medians with their ranges, and the median over rounds of each ratio to the peer of the same round."""
    return {
        name: {
            "messages_per_s": round(statistics.median(values), 1),
            "range": [round(min(values), 1), round(max(values), 1)],
            "ratio": round(statistics.median(a / b for a, b in zip(values, rates[peer], strict=True)), 3),
        }
        for name, values in rates.items()
    }


def write(name: str, figures: Mapping[str, Any], **about: Any) -> None:
    """Prints the figures and writes them to results/ with date, commit, machine and versions."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": f"{torch.get_num_threads()} threads, {processor()}",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        **about,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    print(text)


def processor() -> str:
    """The machine's own name of its processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
