"""The topic configuration that a real broker reports before a run, and a run that observes it."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from consumer.preflight.questions import Preflight
from consumer.settings import ConsumerSettings
from shared.errors import KafkaStateError
from shared.kafka.settings import KafkaSettings
from tests.integration.conftest import Topics
from tests.integration.test_hard_times import worker
from tests.support.tiny import tiny_model
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.kafka import Broker, MakeTopic

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

    assert asked.target_configs().endswith("take all that is written")


def test_topics_that_refuse_what_is_written_are_named(kafka: Broker, topic: MakeTopic) -> None:
    """Given topics that are too small or compacted, when compared, then each is named with what to change."""
    sentiments = topic("sentiments", config={"max.message.bytes": str(SMALL_BYTES)})
    letters = topic("letters", config={"cleanup.policy": "compact"})

    with pytest.raises(KafkaStateError) as raised:
        preflight(kafka, topic("texts"), sentiments, letters).target_configs()

    assert f"raise max.message.bytes of {sentiments}" in str(raised.value)
    assert f"set cleanup.policy of {letters} to delete" in str(raised.value)


@pytest.mark.parametrize(
    ("config", "sent", "said"),
    [
        ({"retention.ms": str(HOUR_MS)}, Sent(b"v", timestamp_ms=1), "raise retention.ms"),
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
