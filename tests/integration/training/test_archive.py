"""`sentiment-trainer archive` against a real broker: the archive holds exactly what was sent."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from shared.errors import InputDataError, KafkaStateError
from shared.formats import InputFormat
from shared.kafka.settings import KafkaSettings
from trainer.data.archive.archive import Archived, Selection, archive

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic

RECORDS = 3000
START_MS = 1_767_225_600_000

Sent = tuple[int, bytes | None, list[tuple[str, bytes | None]], bytes | None, int]
"""Partition, key, headers, value, timestamp in milliseconds."""


def record(number: int) -> Sent:
    """Odd records among plain ones: no key, no text, no value, bytes that are not UTF-8."""
    value = json.dumps({"id": f"id-{number}", "text": f"text {number} \u2603", "extra": number}).encode()
    odd = {1: None, 2: b"\xff\xfe", 3: b'{"text": ""}'}
    headers: list[tuple[str, bytes | None]] = [("n", str(number).encode()), ("n", None), ("raw", bytes([0, 255]))]
    key = None if number % 7 == 0 else f"key-{number}".encode()
    return number % 3, key, headers, odd.get(number % 100, value), START_MS + number


def send(kafka: Broker, topic: str, numbers: range) -> list[Sent]:
    """Sends the records with those numbers and waits until all are stored."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    sent = [record(number) for number in numbers]
    for partition, key, headers, value, timestamp in sent:
        producer.produce(topic, value, key, partition, timestamp=timestamp, headers=[*headers])
    assert producer.flush(30) == 0
    return sent


def run(kafka: Broker, topic: str, folder: Path, selection: Selection | None = None) -> Archived:
    """Archives JSON records."""
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True)
    return archive(settings, topic, folder, selection or Selection(), InputFormat())


def read(folder: Path) -> list[tuple[int, int, Sent]]:
    """Partition, offset and record of every row, as in the parts."""
    rows = []
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        moments = table.column("timestamp").cast("int64").to_pylist()
        for row, moment in zip(table.to_pylist(), moments, strict=True):
            headers = [(header["name"], header["value"]) for header in row["headers"]]
            found = (row["partition"], row["key"], headers, row["value"], moment)
            rows.append((row["partition"], row["offset"], found))
    return rows


def test_two_runs_equal_what_was_sent_byte_for_byte(kafka: Broker, topic: MakeTopic, tmp_path: Path) -> None:
    """First up to an offset, then the rest, then nothing: every record once, in order within its partition."""
    name = topic("archive", partitions=3)
    sent = send(kafka, name, range(RECORDS))
    first = run(kafka, name, tmp_path / "a", Selection(to_offset=400))
    assert (first.rows, first.already) == (1200, 0)
    second = run(kafka, name, tmp_path / "a")
    assert (second.rows, second.already) == (1800, 1200)
    assert first.undecodable + second.undecodable == sum(number % 100 in {1, 2, 3} for number in range(RECORDS))
    assert run(kafka, name, tmp_path / "a").rows == 0
    expected = [
        (partition, offset, found)
        for partition in range(3)
        for offset, found in enumerate(one for one in sent if one[0] == partition)
    ]
    assert read(tmp_path / "a") == expected


def test_ranges_by_offset_time_and_count(kafka: Broker, topic: MakeTopic, tmp_path: Path) -> None:
    """Starts are inclusive, ends are exclusive; --last takes the newest of all partitions."""
    name = topic("archive-ranges", partitions=3)
    send(kafka, name, range(300))
    by_offset = run(kafka, name, tmp_path / "offset", Selection(from_offset=10, to_offset=12))
    assert by_offset.rows == 6
    times = Selection(from_time_ms=START_MS + 30, to_time_ms=START_MS + 60)
    assert run(kafka, name, tmp_path / "time", times).rows == 30
    moments = sorted(found[4] - START_MS for _, _, found in read(tmp_path / "time"))
    assert moments == list(range(30, 60))
    assert run(kafka, name, tmp_path / "last", Selection(last=30)).rows == 30
    assert sorted(found[4] - START_MS for _, _, found in read(tmp_path / "last")) == list(range(270, 300))
    late = Selection(from_time_ms=START_MS + 10_000_000)
    assert run(kafka, name, tmp_path / "late", late).rows == 0


def transactional(kafka: Broker, topic: str) -> Producer:
    """A producer that is ready for its first transaction."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(30)
    return producer


def transact(producer: Producer, topic: str, texts: list[str], *, commit: bool) -> None:
    """Sends the texts in one transaction each, which is committed or aborted."""
    for text in texts:
        producer.begin_transaction()
        producer.produce(topic, json.dumps({"text": text}).encode())
        producer.flush(30)
        end = producer.commit_transaction if commit else producer.abort_transaction
        end(30)


def texts(folder: Path) -> list[str]:
    """The archived texts, in the order of their offsets."""
    return [json.loads(found[3] or b"")["text"] for _, _, found in read(folder)]


def test_last_counts_records_and_the_older_are_added_later(
    kafka: Broker, topic: MakeTopic, tmp_path: Path
) -> None:
    """Offsets of aborted records and markers hold nothing: --last searches before them and reports a shortage."""
    name = topic("archive-transactions")
    producer = transactional(kafka, name)
    kept = [f"kept {number}" for number in range(6)]
    transact(producer, name, kept, commit=True)
    transact(producer, name, [f"aborted {number}" for number in range(5)], commit=False)

    newest = run(kafka, name, tmp_path / "a", Selection(last=2))
    assert (newest.rows, newest.already, newest.lacking) == (2, 0, 0)
    assert texts(tmp_path / "a") == kept[-2:]
    more = run(kafka, name, tmp_path / "a", Selection(last=20))
    assert (more.rows, more.lacking) == (4, 14)
    assert texts(tmp_path / "a") == kept
    assert run(kafka, name, tmp_path / "a").rows == 0
    assert run(kafka, name, tmp_path / "b").rows == 6


def test_what_an_open_transaction_hides_is_archived_once_it_is_decided(
    kafka: Broker, topic: MakeTopic, tmp_path: Path
) -> None:
    """Records after an undecided one are not read yet, and do not count as archived."""
    name = topic("archive-open")
    transact(transactional(kafka, f"{name}-a"), name, ["first"], commit=True)
    undecided = transactional(kafka, f"{name}-b")
    undecided.begin_transaction()
    undecided.produce(name, b'{"text": "second"}')
    undecided.flush(30)
    transact(transactional(kafka, f"{name}-c"), name, ["third"], commit=True)

    assert run(kafka, name, tmp_path / "a", Selection(last=10)).rows == 1
    undecided.commit_transaction(30)
    assert run(kafka, name, tmp_path / "a").rows == 2
    assert texts(tmp_path / "a") == ["first", "second", "third"]


def test_a_topic_made_anew_is_told_from_the_one_in_the_folder(
    kafka: Broker, kafka_admin: AdminClient, topic: MakeTopic, tmp_path: Path
) -> None:
    """Its records have the offsets of other, archived records; they are not mistaken for those."""
    name = topic("archive-anew")
    send(kafka, name, range(0, 9, 3))
    run(kafka, name, tmp_path / "a")
    kafka_admin.delete_topics([name])[name].result(30)
    made_anew(kafka_admin, name)
    with pytest.raises(InputDataError, match="deleted and created again"):
        run(kafka, name, tmp_path / "a")


def made_anew(admin: AdminClient, topic: str) -> None:
    """Creates a topic that was just deleted, as soon as possible, and waits until it has a leader."""
    deadline = time.monotonic() + 30
    while True:
        try:
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
            break
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS or time.monotonic() > deadline:
                raise
    while not admin.list_topics(topic, timeout=30).topics[topic].partitions and time.monotonic() < deadline:
        pass


def test_a_topic_that_does_not_exist_is_named(kafka: Broker, tmp_path: Path) -> None:
    """No topic and no folder is created."""
    with pytest.raises(KafkaStateError, match="no such topic: nowhere-at-all"):
        run(kafka, "nowhere-at-all", tmp_path / "a")
    assert not (tmp_path / "a").exists()
