"""Real tweets and a model folder for the tests that run whole processes."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from sentiment_testing.process import ConsumerProcess
from tests.support.processes import run_command
from tests.support.tiny import tiny_model
from tests.support.topics import await_committed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sentiment_testing.kafka import Broker, MakeTopic

MODEL_VARIABLE = "TEST_MODEL"
"""The model folder for the integration tests; by default the tiny one with random weights."""
PARTITIONS: Final = 4
"""Of each of `topics`."""


@dataclass(frozen=True, slots=True)
class Tweet:
    """One real tweet with its label."""

    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics and the group of one test, and the flags that name them."""

    servers: str
    texts: str
    sentiments: str
    letters: str
    group: str

    def flags(self, *more: str) -> list[str]:
        """Command-line flags of `run` for these topics."""
        return [
            *("--bootstrap-servers", self.servers, "--group-id", self.group, "--input-topic", self.texts),
            *("--output-topic", self.sentiments, "--dlq-topic", self.letters, *more),
        ]

    def await_committed(self) -> None:
        """Waits until the group has committed all texts: a member that ends says nothing of the others' work."""
        await_committed(self.servers, self.texts, self.group)


class Consumers:
    """Starts consumers and makes sure that none outlives its test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[ConsumerProcess] = []

    def start(self, arguments: Sequence[str], env: dict[str, str] | None = None) -> ConsumerProcess:
        """Starts one more `sentiment-consumer run`."""
        consumer = ConsumerProcess(self._folder / f"consumer-{len(self.started)}.log", *arguments, env=env)
        self.started.append(consumer)
        return consumer


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    """The service freezes the garbage collector, and nanobind would report all its objects at the end."""
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def tweets(tmp_path_factory: pytest.TempPathFactory) -> list[Tweet]:
    """The 4,200 rated tweets, fetched by the trainer's own command."""
    file = tmp_path_factory.mktemp("data") / "vader-tweets.parquet"
    done = run_command("trainer", "fetch", "vader-tweets", "--output", str(file))
    assert done.returncode == 0, done.stderr.decode()
    rows = pq.read_table(file, columns=["id", "text", "label_name"]).to_pylist()
    return [Tweet(row["id"], row["text"], row["label_name"]) for row in rows]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: the one that TEST_MODEL names, or a tiny BERT with random weights."""
    given = os.environ.get(MODEL_VARIABLE)
    return Path(given).resolve() if given else tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def topics(kafka: Broker, topic: MakeTopic) -> Topics:
    """Topics of four partitions and a group of their own."""
    names = [topic(name, partitions=PARTITIONS) for name in ("texts", "sentiments", "letters")]
    return Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")


@pytest.fixture
def consumers(tmp_path: Path) -> Iterator[Consumers]:
    """Starts consumers and stops them after the test."""
    group = Consumers(tmp_path)
    yield group
    for consumer in group.started:
        consumer.close()
