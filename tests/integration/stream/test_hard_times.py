"""A scorer that ends the process or is too slow, and a broker that cannot do what the consumer needs.

The consumer is that of the chaos suite: the product's own wiring around a scorer with scripted faults.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sentiment_testing.kafka import UnavailableError, local_kafka
from sentiment_testing.process import ConsumerProcess
from tests.chaos.verdict import oracle
from tests.support.processes import run_command
from tests.support.tiny import tiny_model
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.integration.conftest import Topics

PARTITIONS = 2


@pytest.fixture
def topics(kafka: Broker, topic: MakeTopic) -> Topics:
    """Topics of two partitions and a group of their own."""
    from tests.integration.conftest import Topics  # noqa: PLC0415

    names = [topic(name, partitions=PARTITIONS) for name in ("texts", "sentiments", "letters")]
    return Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_text_that_ends_the_process_is_dead_lettered(delivery: str, topics: Topics, tmp_path: Path) -> None:
    """Given a text that kills the process that scores it, when it is restarted again and again, then that ends.

    After at most five crashes the text is in the dead-letter topic, byte for byte, and all others are scored.
    """
    values = [json.dumps({"id": str(n), "text": f"message {n}"}).encode() for n in range(300)]
    # First record of its partition: a life that publishes an earlier record would restart the count.
    values[1] = json.dumps({"id": "1", "text": f"a {oracle.KILLER}"}).encode()
    produce(topics.servers, topics.texts, [Sent(value, partition=n % 2) for n, value in enumerate(values)])
    model = tiny_model(tmp_path / "model")

    codes: list[int] = []
    while not codes or codes[-1] == -signal.SIGKILL:
        properties = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}
        consumer = worker(tmp_path / f"life-{len(codes)}.log", topics, model, delivery, properties, idle_s=6)
        codes.append(consumer.wait())

    assert codes[-1] == 0
    assert 3 <= codes.count(-signal.SIGKILL) <= 5
    (letter,) = read_all(topics.servers, topics.letters)
    assert letter.value() == values[1]
    assert dict(letter.headers() or ())["__connect.errors.exception.class.name"] == b"ProcessDied"
    ids = Counter(json.loads(one.value() or b"")["id"] for one in read_all(topics.servers, topics.sentiments))
    assert set(ids) == {str(n) for n in range(300) if n != 1}
    if delivery == "exactly-once":
        assert max(ids.values()) == 1


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_pass_twice_as_long_as_the_poll_interval_evicts_nobody(
    protocol: str, topics: Topics, tmp_path: Path
) -> None:
    """Given passes of 12 s and a poll interval of 6 s, when two batches are scored, then nobody is evicted.

    No partition is revoked, and nothing comes twice. A batch is one pass: ten messages would be passes of 8 and 2.
    """
    values = [json.dumps({"id": str(n), "text": f"message {n}"}).encode() for n in range(16)]
    produce(topics.servers, topics.texts, [Sent(value) for value in values])
    model = tiny_model(tmp_path / "model")
    properties: dict[str, int] = {"max.poll.interval.ms": 6_000}
    if protocol == "classic":
        properties["session.timeout.ms"] = 6_000
    consumer = worker(
        *(tmp_path / "slow.log", topics, model, "exactly-once", properties),
        idle_s=3,
        scorer={"pass_s": 12.0},
        more={"SENTIMENT_LIMITS__BATCH_RECORDS": "8", "SENTIMENT_GROUP_PROTOCOL": protocol},
    )

    assert consumer.wait() == 0
    assert consumer.log.count('"event": "batch"') == 2
    assert consumer.log.count("partitions_assigned") == 1
    assert "MAX_POLL" not in consumer.log
    assert "recovering" not in consumer.log
    ids = Counter(json.loads(one.value() or b"")["id"] for one in read_all(topics.servers, topics.sentiments))
    assert ids == Counter({str(n): 1 for n in range(16)})


def test_a_broker_that_cannot_serve_is_named(kafka: Broker, model: Path) -> None:
    """Given a broker that cannot have a transaction coordinator, when `run` starts, then it says what to do.

    It is the usual mistake on a small cluster: the coordinator's topic needs more replicas than there are
    brokers. `check` has a line for each thing, also for what may only hurt.
    """
    settings = {
        "transaction.state.log.replication.factor": "3",
        "transaction.max.timeout.ms": "10000",
        "offsets.retention.minutes": "120",
    }
    del kafka  # a machine with a broker for the tests has Java; otherwise the tests fail or are skipped
    with ExitStack() as stack:
        try:
            alone = stack.enter_context(local_kafka(settings=settings))
        except UnavailableError as reason:
            pytest.skip(str(reason))
        flags = ["--bootstrap-servers", alone.bootstrap_servers, "--model", str(model)]
        assert run_command("consumer", "topics", "create", *flags[:2]).returncode == 0
        done = run_command("consumer", "run", *flags)
        checked = run_command("consumer", "check", *flags)

    line = done.stderr.decode().splitlines()[-1]
    assert done.returncode == checked.returncode == 76
    assert line.startswith("error: no transaction can be begun")
    assert "transaction.state.log.replication.factor is 3 and there are 1 broker(s)" in line
    assert "the brokers allow 10 s" in line
    assert "--delivery at-least-once" in line
    said = [one.split() for one in checked.stdout.decode().splitlines()]
    assert [words[0] for words in said if words[1] == "cluster"] == ["FAIL", "FAIL", "warn"]


def worker(
    log: Path,
    topics: Topics,
    model: Path,
    delivery: str,
    properties: dict[str, int],
    *,
    idle_s: int,
    scorer: dict[str, float] | None = None,
    more: dict[str, str] | None = None,
) -> ConsumerProcess:
    """Starts a consumer of the chaos suite."""
    env = {
        "SENTIMENT_KAFKA__BOOTSTRAP_SERVERS": topics.servers,
        "SENTIMENT_KAFKA__PROPERTIES": json.dumps(properties),
        "SENTIMENT_GROUP_ID": topics.group,
        "SENTIMENT_INPUT_TOPICS": topics.texts,
        "SENTIMENT_OUTPUT_TOPIC": topics.sentiments,
        "SENTIMENT_DLQ_TOPIC": topics.letters,
        "SENTIMENT_MODEL": str(model),
        "SENTIMENT_DELIVERY": delivery,
        "SENTIMENT_UNTIL_IDLE_S": str(idle_s),
        "SENTIMENT_LIMITS__BATCH_RECORDS": "40",
        "CHAOS_SCORER": json.dumps({"out_of_memory": 0.0, **(scorer or {})}),
        **(more or {}),
    }
    return ConsumerProcess(log, env=env, command=(sys.executable, "-m", "tests.chaos.worker"))
