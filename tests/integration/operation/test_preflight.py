"""The topic configuration that a real broker reports before a run, and a run that observes it."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consumer.preflight.questions import Preflight
from consumer.settings import ConsumerSettings
from shared.errors import KafkaStateError
from shared.kafka.settings import KafkaSettings
from tests.integration.conftest import Topics
from tests.integration.stream.test_hard_times import worker
from tests.support.processes import run_command
from tests.support.tiny import tiny_model
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic

HOUR_MS = 3_600_000
SMALL_BYTES = 20_000
STRICT = {
    "cleanup.policy": "compact",
    "message.timestamp.before.max.ms": str(24 * HOUR_MS),
    "max.message.bytes": str(SMALL_BYTES),
}
"""An output topic that refuses many records."""


def preflight(kafka: Broker, texts: str, sentiments: str, letters: str) -> Preflight:
    """The preflight of a service on these topics."""
    return Preflight(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True),
            input_topics=(texts,),
            output_topic=sentiments,
            dlq_topic=letters,
        )
    )


def ago_ms(hours: float) -> int:
    """The timestamp of that many hours ago."""
    return int(time.time() * 1000 - hours * HOUR_MS)


def test_topics_with_defaults_fit(kafka: Broker, topic: MakeTopic) -> None:
    """Given topics as Kafka creates them, when compared, then they accept everything that is written."""
    asked = preflight(kafka, topic("texts"), topic("sentiments"), topic("letters"))

    assert asked.topic_problems(asked.targets()) == []
    assert asked.cluster_problems(asked.cluster_config()) == []


@pytest.mark.parametrize(
    ("config", "of_results", "of_letters"),
    [
        ({"cleanup.policy": "compact"}, "is compacted: it deletes", "is compacted: it refuses"),
        ({"max.message.bytes": str(SMALL_BYTES)}, "takes 20,000 bytes", "takes 20,000 bytes"),
        (
            {"retention.ms": str(HOUR_MS)},
            "deletes results after 60 minutes",
            "deletes dead letters after 60 minutes",
        ),
        ({"retention.bytes": "1000000"}, "keeps 1,000,000 bytes", "keeps 1,000,000 bytes"),
        ({"message.timestamp.type": "LogAppendTime"}, "replaces the input's timestamps", None),
        ({"message.timestamp.before.max.ms": "60000"}, "refuses timestamps", "refuses timestamps"),
        ({"message.timestamp.after.max.ms": "60000"}, "refuses timestamps", "refuses timestamps"),
        ({"min.insync.replicas": "2"}, "has a replication factor of 1", "has a replication factor of 1"),
        ({"unclean.leader.election.enable": "true"}, "may lose committed", "may lose committed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_setting_that_hurts_is_one_line(
    config: dict[str, str], of_results: str, of_letters: str | None, kafka: Broker, topic: MakeTopic
) -> None:
    """Given both topics with one such setting, when compared, then each has its line; one that fails comes first.

    The command in the line sets the topic right: after it nothing is said any more.
    """
    sentiments, letters = topic("sentiments", config=config), topic("letters", config=config)
    asked = preflight(kafka, topic("texts"), sentiments, letters)

    found = asked.topic_problems(asked.targets())

    expected = {f"{sentiments} {of_results}"} | ({f"{letters} {of_letters}"} if of_letters else set())
    assert {begun for begun in expected for one in found if one.text.startswith(begun)} == expected
    assert [one.text.split()[0] for one in found if one.is_fatal] == (
        [letters] if "cleanup.policy" in config else []
    )
    for one in found:
        (said,) = re.findall(r"kafka-configs --alter --topic (\S+) --add-config ([^=]+)=(\S+?)(?=,? |$)", one.text)
        change(kafka, *said)
    assert asked.topic_problems(asked.targets()) == []


def change(kafka: Broker, name: str, key: str, value: str) -> None:
    """What the command of a line does."""
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as client:
        client.incremental_alter_configs([resource])[resource].result()


def test_fewer_partitions_than_the_input_has_are_named(kafka: Broker, topic: MakeTopic) -> None:
    """Given an output topic with fewer partitions than the input, when compared, then there is a line for it."""
    asked = preflight(kafka, topic("texts", partitions=3), topic("sentiments"), topic("letters"))

    (problem,) = asked.topic_problems(asked.targets())

    assert "has 1 partition(s) and texts-" in problem.text
    assert not problem.is_fatal


def test_what_may_hurt_is_a_warning_and_what_is_sure_to_fail_ends_a_run(
    kafka: Broker, topic: MakeTopic, model: Path
) -> None:
    """Given one topic of each kind, when checked, then each has a line; `run` ends before the model is loaded."""
    sentiments = topic("sentiments", config={"retention.ms": str(HOUR_MS)})
    letters = topic("letters", config={"cleanup.policy": "compact"})
    topics = Topics(kafka.bootstrap_servers, topic("texts"), sentiments, letters, f"group-{uuid4()}")

    checked = run_command("consumer", "check", *topics.flags("--model", str(model)))
    ended = run_command("consumer", "run", *topics.flags("--model", str(model)))

    assert checked.returncode == ended.returncode == 76
    said = [line.split()[:2] for line in checked.stdout.decode().splitlines()]
    assert [mark for mark, part in said if part == "configs"] == ["FAIL", "warn"]
    assert [mark for mark, part in said if part == "cluster"] == ["ok"]
    log = ended.stderr.decode()
    assert [json.loads(line)["problem"].split()[0] for line in log.splitlines() if "kafka_unfit" in line] == [
        sentiments
    ]
    assert f"error: {letters} is compacted" in log
    assert "model_ready" not in log


@pytest.mark.parametrize(
    ("config", "sent", "said"),
    [
        ({"retention.ms": str(HOUR_MS)}, Sent(b"v", timestamp_ms=1), "--add-config retention.ms="),
        ({"cleanup.policy": "compact"}, Sent(b"v"), "takes no record without a key"),
    ],
)
def test_a_first_record_that_would_be_lost_is_a_fault(
    config: dict[str, str], sent: Sent, said: str, kafka: Broker, topic: MakeTopic
) -> None:
    """Given an input that the output topic would refuse or delete, when compared, then it says what to change."""
    texts, sentiments = topic("texts"), topic("sentiments", config=config)
    produce(kafka.bootstrap_servers, texts, [sent])

    with pytest.raises(KafkaStateError, match=re.escape(said)):
        preflight(kafka, texts, sentiments, topic("letters")).first_input()


def test_a_first_record_of_a_pattern_is_found(kafka: Broker, topic: MakeTopic) -> None:
    """Given a pattern and an old record of a matching topic, when compared, then its new time is reported."""
    texts, sentiments = topic("texts"), topic("sentiments", config=STRICT)
    produce(kafka.bootstrap_servers, texts, [Sent(b"v", key=b"k", timestamp_ms=ago_ms(48))])

    said = preflight(kafka, f"^{texts}$", sentiments, topic("letters")).first_input()

    assert "results of such records carry the time of writing" in said


def test_a_pattern_without_a_match_is_no_fault(kafka: Broker, topic: MakeTopic) -> None:
    """Given a pattern that matches nothing, when checked, then only the topics written to are counted."""
    sentiments, letters = topic("sentiments", partitions=2), topic("letters")
    asked = preflight(kafka, "^none-of-these.*", sentiments, letters)

    assert asked.partitions() == {sentiments: 2, letters: 1}
    assert asked.unmatched() == ["^none-of-these.*"]
    assert asked.first_input() == "nothing to compare: no input record yet"


def test_a_run_writes_only_what_the_topics_take(kafka: Broker, topic: MakeTopic, tmp_path: Path) -> None:
    """Given a strict output topic, when records that it would refuse are read, then none of them is sent to it.

    An old record's result has the time of writing. A record that cannot be written is a dead letter that says
    why. A deletion is a null with the key. Their batch is published at the first attempt.
    """
    names = [topic("texts"), topic("sentiments", config=STRICT), topic("letters")]
    topics = Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")
    old_ms = ago_ms(48)
    now_ms = ago_ms(0)
    big = (("big", bytes(SMALL_BYTES)),)
    sent = [
        Sent(value("new"), key=b"new", timestamp_ms=now_ms),
        Sent(value("old"), key=b"old", timestamp_ms=old_ms),
        Sent(value("keyless"), timestamp_ms=now_ms),
        Sent(value("large"), key=b"large", headers=big, timestamp_ms=now_ms),
        Sent(None, key=b"new", timestamp_ms=now_ms),
        Sent(b'{"text": null}', key=b"no text", timestamp_ms=now_ms),
    ]
    produce(topics.servers, topics.texts, sent)

    more = {"SENTIMENT_ON_NULL": "forward"}
    consumer = worker(
        tmp_path / "run.log", topics, tiny_model(tmp_path / "model"), "exactly-once", {}, idle_s=2, more=more
    )

    assert consumer.wait() == 0, consumer.log
    assert "recovering" not in consumer.log
    assert consumer.log.count('"event": "results_without_key"') == 1
    results = [
        (one.key(), one.value() is None, one.timestamp()[1]) for one in read_all(topics.servers, topics.sentiments)
    ]
    assert [(key, is_null) for key, is_null, _ in results] == [(b"new", False), (b"old", False), (b"new", True)]
    assert results[0][2] == results[2][2] == now_ms
    assert now_ms <= results[1][2] <= ago_ms(0)
    letters = [(one.key(), error_of(one)) for one in read_all(topics.servers, topics.letters)]
    assert sorted(letters, key=repr) == [
        (None, b"RecordWithoutKey"),
        (b"large", b"RecordTooLarge"),
        (b"no text", b"BadRecord"),
    ]


def value(text: str) -> bytes:
    """An input value."""
    return json.dumps({"id": text, "text": text}).encode()


def error_of(letter: Any) -> bytes:
    """The error name in the headers of a letter."""
    found: bytes = dict(letter.headers())["__connect.errors.exception.class.name"]
    return found
