"""`check --sample` on a topic of mixed rubbish: its counts equal those of an independent count."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from consumer.preflight.sample import Survey, survey_topics
from consumer.settings import ConsumerSettings
from shared.inference.scheduler import Scheduler
from shared.kafka.settings import KafkaSettings
from tests.support.fakes import FakeScorer
from tests.support.processes import run_command
from tests.support.tiny import tiny_model
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic

RECORDS = 300
SAMPLE = 200
PARTITIONS = 2
TEXTS = ("a fine day", "\u043f\u043b\u043e\u0445\u043e\u0439 \u0434\u0435\u043d\u044c", "\U0001f600 12")


def rubbish(chance: random.Random) -> bytes | None:
    """A value of one of many kinds."""
    tree: Any = {"text": chance.choice(TEXTS), "id": chance.choice(["x", 7, None, [7], 1.5, "y" * 600])}
    value = json.dumps(tree)
    kinds = (
        value.encode(),
        value.encode(),
        value.encode("utf-8-sig"),
        value.encode("utf-16"),
        b"\0\0\0\0\5" + value.encode(),
        b"\0\0\0\0\5\x02\x06abc",
        gzip.compress(value.encode()),
        json.dumps(value).encode(),
        chance.choice(TEXTS).encode(),
        b'{"text": "cut',
        b'{"text": " "}',
        b'{"data": null}',
        b"caf\xe9",
        b"null",
        None,
    )
    return chance.choice(kinds)


def counted(values: list[bytes | None]) -> dict[str, int]:
    """Counts the same values without the project's code, by how `rubbish` makes them."""
    counts = dict.fromkeys(("scored", "dead", "deletions", "unusable_ids"), 0)
    for value in values:
        tree = None
        if value in {None, b"null"}:
            counts["deletions"] += 1
            continue
        assert value is not None
        if value[:5] == b"\0\0\0\0\5" and value[5:6] == b"{":
            tree = json.loads(value[5:])
        elif value[:2] == b"\xff\xfe":
            tree = json.loads(value.decode("utf-16"))
        elif value[:1] in {b"{", b'"'} or value[:3] == b"\xef\xbb\xbf":
            try:
                tree = json.loads(value.decode("utf-8-sig"))
            except ValueError:
                tree = {}
        elif value.decode(errors="ignore") in TEXTS:
            tree = {"text": value.decode()}
        if isinstance(tree, str):
            tree = json.loads(tree)
        tree = tree or {}
        good = bool(tree.get("text", "").strip())
        counts["scored" if good else "dead"] += 1
        identity = tree.get("id")
        counts["unusable_ids"] += good and identity is not None and identity not in ("x", 7)
    return counts


def newest(kafka: Broker, topic: str) -> list[bytes | None]:
    """The last records of each partition, as many of each, by an independent reader."""
    messages = read_all(kafka.bootstrap_servers, topic)
    each = SAMPLE // PARTITIONS
    return [
        one.value()
        for number in range(PARTITIONS)
        for one in [message for message in messages if message.partition() == number][-each:]
    ]


def test_the_counts_of_a_sample_are_true(kafka: Broker, topic: MakeTopic) -> None:
    """Given values of many kinds, when sampled with --format auto, then every count equals an independent one.

    What is behind an open transaction is not waited for.
    """
    name = topic("rubbish", partitions=PARTITIONS)
    chance = random.Random(7)  # noqa: S311 - no secret
    produce(
        kafka.bootstrap_servers, name, [Sent(rubbish(chance), partition=number % 2) for number in range(RECORDS)]
    )
    settings = ConsumerSettings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True),
        input_topics=(name,),
        format="auto",
    )
    scoring, found = Scheduler(FakeScorer()), Survey()
    writer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    writer.init_transactions()
    writer.begin_transaction()
    writer.produce(name, b"undecided", partition=0)
    writer.flush()

    survey_topics(settings, SAMPLE, scoring, found)

    writer.abort_transaction()
    scoring.close(timeout_s=1.0)
    values = newest(kafka, name)
    expected = counted(values)
    assert len(values) == found.records == SAMPLE
    assert {
        "scored": found.scored,
        "dead": found.dead_letters,
        "deletions": found.deletions,
        "unusable_ids": found.unusable_ids,
    } == expected
    assert min(expected.values()) > 0
    looks = found.looks
    assert looks["compressed with gzip"] == sum(value is not None and value[:2] == b"\x1f\x8b" for value in values)
    assert looks["JSON in UTF-16-LE"] == sum(value is not None and value[:2] == b"\xff\xfe" for value in values)
    assert looks["in an unknown encoding"] == values.count(b"caf\xe9")
    assert looks.total() == len(values) - values.count(None)


@pytest.mark.timeout(120)
def test_check_shows_a_sample(kafka: Broker, topic: MakeTopic, tmp_path: Path) -> None:
    """Given good and bad records, when checked with --sample, then a table counts them, and quotes no text."""
    model = tiny_model(tmp_path / "model")
    texts, results, letters = topic("texts"), topic("results"), topic("letters")
    values = [b'{"text": "secret good day"}'] * 7 + [b'{"body": "secret"}'] * 2 + [b'{"text": null}']
    produce(kafka.bootstrap_servers, texts, [Sent(value) for value in values])
    topics = ["--input-topic", texts, "--output-topic", results, "--dlq-topic", letters]
    servers = ["--bootstrap-servers", kafka.bootstrap_servers, "--insecure"]

    done = run_command(
        "consumer", "check", "--model", str(model), *servers, *topics, "--sample", "100", env={"COLUMNS": "150"}
    )

    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert any(
        "10 records among the newest 100 offsets: 7 would be scored, 3 dead-lettered" in one for one in lines
    )
    assert any("the value is an object with the fields body" in one and " 2 " in one for one in lines)
    assert any("no text at text: it is null" in one and " 1 " in one for one in lines)
    assert "secret" not in done.stdout.decode()
