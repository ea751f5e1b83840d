"""The labels topic on a real broker: made, written, compacted, read, joined with an archive, and trained from."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from sentiment_testing.kafka import NoBrokerError, UnavailableError, local_kafka
from shared.errors import KafkaStateError, KafkaUnreachable
from shared.kafka.labels.reader import LabelReader, latest
from shared.kafka.labels.topic import ensure_topic
from shared.kafka.labels.writer import LabelWriter
from shared.kafka.settings import KafkaSettings
from shared.messages import Label, LabelKey, text_sha256
from shared.model_folder.artifact import open_artifact
from tests.conftest import skip_or_fail
from tests.support.labels import label
from tests.support.processes import run_command
from tests.support.tiny import tiny_base
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic

COMPACTED_S: Final = 60.0
RECORDS: Final = 60
"""Of each of two partitions."""


def settings(broker: Broker) -> KafkaSettings:
    """A connection to the broker."""
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, insecure=True)


def new_name() -> str:
    """A topic that does not exist."""
    return f"labels-{uuid4().hex[:8]}"


def key(offset: int, annotator: str = "ann") -> LabelKey:
    """The key of one record of one topic."""
    return LabelKey("texts", 0, offset, annotator)


def read(broker: Broker, topic: str) -> dict[LabelKey, str]:
    """The verdicts of the topic now."""
    with LabelReader(settings(broker), topic) as labels:
        found = latest(labels.changes())
        assert labels.unreadable == 0
    return {one: found[one].verdict for one in found}


def config_of(admin: AdminClient, topic: str) -> dict[str, str | None]:
    """The configuration of a topic."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(30).items()}


def test_the_topic_is_created_compacted_and_taken_as_it_is_later(kafka: Broker, kafka_admin: AdminClient) -> None:
    """One partition, so that the order of all labels is known; a second writer finds it."""
    name = new_name()
    for _ in range(2):
        with LabelWriter(settings(kafka), name):
            pass
    assert len(kafka_admin.list_topics(name, timeout=30).topics[name].partitions) == 1
    assert config_of(kafka_admin, name)["cleanup.policy"] == "compact"
    assert read(kafka, name) == {}


def test_two_processes_that_create_it_at_once_agree(kafka: Broker) -> None:
    """Whoever comes second takes what the first has created."""
    name = new_name()
    with ThreadPoolExecutor(4) as threads:
        for made in [threads.submit(ensure_topic, settings(kafka), name) for _ in range(4)]:
            made.result(60)


@pytest.mark.parametrize(
    ("partitions", "policy", "reason"),
    [
        (1, "delete", "cleanup.policy=delete"),
        (1, "compact,delete", "=compact,delete"),
        (2, "compact", "2 partitions"),
    ],
)
def test_a_topic_that_loses_labels_is_refused(
    partitions: int, policy: str, reason: str, kafka: Broker, topic: MakeTopic
) -> None:
    """By writer and reader, before a label is lost."""
    name = topic("labels", partitions=partitions, config={"cleanup.policy": policy})
    with pytest.raises(KafkaStateError, match=reason):
        LabelWriter(settings(kafka), name)
    with pytest.raises(KafkaStateError, match=reason):
        LabelReader(settings(kafka), name)


def test_what_was_acknowledged_is_in_the_topic_whoever_wrote_at_the_same_time(kafka: Broker) -> None:
    """Eight threads of one writer: after each call, an independent reader finds the last label of each key."""
    name = new_name()

    def annotate(number: int) -> dict[LabelKey, str]:
        mine: dict[LabelKey, str] = {}
        for step in range(40):
            one = key(step % 7, f"ann|{number}")
            if step % 5 == 4:
                writer.undo(one)
                mine.pop(one, None)
            else:
                writer.write(label(one, f"verdict {step}"))
                mine[one] = f"verdict {step}"
        return mine

    with LabelWriter(settings(kafka), name) as writer, ThreadPoolExecutor(8) as threads:
        expected: dict[LabelKey, str] = {}
        for mine in threads.map(annotate, range(8)):
            expected |= mine
        stored = read_all(kafka.bootstrap_servers, name)
    assert len(stored) == 8 * 40
    replayed = {message.key(): message.value() for message in stored}
    assert {one: json.loads(value)["verdict"] for one, value in replayed.items() if value is not None} == {
        one.encode(): verdict for one, verdict in expected.items()
    }
    assert read(kafka, name) == expected


def test_a_topic_that_was_deleted_is_an_error_and_comes_back_compacted(
    kafka: Broker, kafka_admin: AdminClient
) -> None:
    """The label is not said to be saved; the next call creates the topic as it has to be."""
    name = new_name()
    with LabelWriter(settings(kafka), name, timeout_s=5) as writer:
        writer.write(label(key(1)))
        kafka_admin.delete_topics([name])[name].result(30)
        deadline = time.monotonic() + 60
        failures = []
        while True:
            try:
                writer.write(label(key(2)))
                break
            except (KafkaStateError, KafkaUnreachable) as error:
                failures.append(error)
                assert time.monotonic() < deadline
    assert failures
    assert config_of(kafka_admin, name)["cleanup.policy"] == "compact"
    assert read(kafka, name) == {key(2): "positive"}


@pytest.fixture(scope="module")
def own_broker() -> Iterator[Broker]:
    """A broker that creates topics by itself, and compacts as soon as it can."""
    try:
        with local_kafka(
            settings={
                "auto.create.topics.enable": "true",
                "num.partitions": "3",
                "log.cleaner.backoff.ms": "200",
                "log.roll.ms": "100",
            }
        ) as broker:
            yield broker
    except (NoBrokerError, UnavailableError) as reason:
        skip_or_fail(str(reason))


@pytest.mark.kafka
def test_compaction_keeps_the_latest_labels_and_nothing_else(own_broker: Broker) -> None:
    """Replaced labels and old tombstones leave the disk, and the labels that a reader gets stay the same."""
    name = new_name()
    with (
        LabelWriter(settings(own_broker), name) as writer,
        AdminClient({"bootstrap.servers": own_broker.bootstrap_servers}) as admin,
    ):
        at_once = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}
        changes = [
            ConfigEntry(one, value, ConfigSource.DYNAMIC_TOPIC_CONFIG, incremental_operation=AlterConfigOpType.SET)
            for one, value in at_once.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=changes)
        admin.incremental_alter_configs([resource])[resource].result(30)
        for verdict in ("negative", "neutral", "positive"):
            for offset in range(20):
                writer.write(label(key(offset), verdict))
        for offset in range(10):
            writer.undo(key(offset))
        expected = {key(offset): "positive" for offset in range(10, 20)}
        assert read(own_broker, name) == expected
        deadline = time.monotonic() + COMPACTED_S
        extra = 0
        while len(read_all(own_broker.bootstrap_servers, name)) > 35:
            assert time.monotonic() < deadline
            extra += 1
            # The newest segment is never compacted: a further label begins another.
            writer.write(label(key(100)))
        assert read(own_broker, name) == expected | ({key(100): "positive"} if extra else {})


@pytest.mark.kafka
def test_a_broker_that_creates_topics_by_itself_does_not_create_this_one(own_broker: Broker) -> None:
    """It would have three partitions and delete old labels."""
    name = new_name()
    ensure_topic(settings(own_broker), name)
    with AdminClient({"bootstrap.servers": own_broker.bootstrap_servers}) as admin:
        assert config_of(admin, name)["cleanup.policy"] == "compact"
        with LabelWriter(settings(own_broker), name, timeout_s=5) as writer:
            writer.write(label(key(1)))
            admin.delete_topics([name])[name].result(30)
            deadline = time.monotonic() + 60
            while True:
                try:
                    writer.write(label(key(2)))
                    break
                except (KafkaStateError, KafkaUnreachable):
                    assert time.monotonic() < deadline
        assert config_of(admin, name)["cleanup.policy"] == "compact"
    assert read(own_broker, name) == {key(2): "positive"}


@pytest.mark.kafka
def test_without_a_broker_a_label_fails_within_its_time() -> None:
    """After the broker has gone: an error that says so, in bounded time, and none of it hangs at the end."""
    try:
        with local_kafka() as broker:
            name = new_name()
            writer = LabelWriter(settings(broker), name, timeout_s=2)
            writer.write(label(key(1)))
    except UnavailableError as reason:
        skip_or_fail(str(reason))
    began = time.monotonic()
    with writer, pytest.raises(KafkaUnreachable, match="it may be saved or not: write it again"):
        writer.write(label(key(2)))
    assert time.monotonic() - began < 2 + 5 + 3


def test_labels_of_an_archived_topic_train_a_model(kafka: Broker, topic: MakeTopic, tmp_path: Path) -> None:
    """From the input topic and the labels topic to a model folder, by the commands alone."""
    name, labels_name = topic("texts", partitions=2), new_name()
    words = {"negative": "bad sad awful", "positive": "good happy great"}
    texts = {
        (number % 2, number // 2): f"{words[('negative', 'positive')[number % 3 == 0]]} day number {number}"
        for number in range(2 * RECORDS)
    }
    sent = [
        Sent(json.dumps({"text": text}).encode(), partition=partition)
        for (partition, _), text in sorted(texts.items())
    ]
    produce(kafka.bootstrap_servers, name, sent)
    with LabelWriter(settings(kafka), labels_name) as writer:
        for (partition, offset), text in texts.items():
            for annotator in ("ann", "bob|x"):
                writer.write(_label_of(LabelKey(name, partition, offset, annotator), text))
        writer.undo(LabelKey(name, 0, 0, "ann"))
        writer.write(_label_of(LabelKey(name, 0, 1, "ann"), texts[0, 1], "unsure"))
        writer.write(_label_of(LabelKey(name, 0, 2, "ann"), "another text"))
        writer.write(_label_of(LabelKey(name, 1, 3, "eve"), texts[1, 3], "negative"))
        writer.write(_label_of(LabelKey("elsewhere", 0, 0, "ann"), "x"))
        writer.write(_label_of(LabelKey(name, 1, 10_000, "ann"), "x"))

    archive = ["archive", "--bootstrap-servers", kafka.bootstrap_servers, "--topic", name]
    archived = run_command(
        "trainer",
        *archive,
        "--last",
        str(2 * RECORDS - 10),
        "--output",
        str(tmp_path / "a"),
        "--labels-topic",
        labels_name,
    )
    assert archived.returncode == 0, archived.stderr.decode()
    lines = archived.stdout.decode().splitlines()
    assert lines[0].startswith(f"{tmp_path / 'a'}: {2 * RECORDS - 10} records archived")
    # Not among them are the first five records of each partition, with 20 labels, and one beyond the end.
    assert "labelled records, from" in lines[1]
    assert f"left out: {20 + 1} labels of records that are not in the archive" in "\n".join(lines)

    whole = run_command("trainer", *archive, "--output", str(tmp_path / "a"), "--labels-topic", labels_name)
    assert whole.returncode == 0, whole.stderr.decode()
    joined = whole.stdout.decode().splitlines()[1:]
    data = tmp_path / "a-labelled.parquet"
    assert (
        joined[0] == f"{data}: {2 * RECORDS} labelled records, from {4 * RECORDS - 2} of {4 * RECORDS + 2} labels"
    )
    assert [line.split()[2] for line in joined[1:]] == ["1"] * 4
    trained = run_command(
        *("trainer", "train", "--data", str(data), "--base", str(tiny_base(tmp_path / "base"))),
        *("--output", str(tmp_path / "model"), "--epochs", "1", "--device", "cpu", "--no-behaviour"),
    )
    assert trained.returncode == 0, trained.stderr.decode()
    assert open_artifact(tmp_path / "model").manifest.labels == ("negative", "positive")


def _label_of(one: LabelKey, text: str, verdict: str | None = None) -> Label:
    given = verdict or ("negative" if "bad" in text else "positive")
    return label(one, given, text_sha256=text_sha256(text))


@pytest.mark.parametrize("named", ["missing", "uncompacted"])
def test_labels_that_cannot_be_read_stop_the_archive_before_it_copies(
    named: str, kafka: Broker, topic: MakeTopic, tmp_path: Path
) -> None:
    """The error comes at once, not after an hour."""
    name = topic("texts")
    labels_name = new_name() if named == "missing" else topic("labels")
    done = run_command(
        *("trainer", "archive", "--bootstrap-servers", kafka.bootstrap_servers, "--topic", name),
        *("--output", str(tmp_path / "a"), "--labels-topic", labels_name),
    )
    assert done.returncode == KafkaStateError.exit_code
    assert labels_name in done.stderr.decode()
    assert not (tmp_path / "a-labelled.parquet").exists()
