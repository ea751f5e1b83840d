"""`check` never disturbs a working member, whatever the broker allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from consumer.kafka.sender import Sender
from consumer.preflight import acl as rights
from consumer.settings import ConsumerSettings
from shared.kafka.client import client_config
from shared.kafka.errors import ClientErrors
from shared.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from sentiment_testing.kafka import Broker, MakeTopic

ANSWER_S = 30.0


@pytest.mark.parametrize("timeout_ms", [2**31 - 1, 60_000], ids=["refused timeout", "granted timeout"])
def test_asking_for_rights_fences_nobody(
    timeout_ms: int, kafka: Broker, topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a producer within a transaction, when `check` tests rights with the same settings, then it commits.

    This holds also if the broker grants the requested timeout, as one with a large transaction.max.timeout.ms
    does.
    """
    monkeypatch.setattr(rights, "_IMPOSSIBLE_TIMEOUT_MS", timeout_ms)
    texts, output, letters = topic("texts"), topic("sentiments"), topic("letters")
    settings = ConsumerSettings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True),
        group_id=texts,
        input_topics=(texts,),
        output_topic=output,
        dlq_topic=letters,
        instance_id="0",
    )
    producer = Sender(settings, {output: 1, letters: 1}, transactional=True).producer
    producer.init_transactions(ANSWER_S)
    producer.begin_transaction()
    producer.produce(output, b"before")

    with AdminClient(client_config(settings.kafka, ClientErrors(), {})) as admin:
        granted = rights.require(rights.needed(settings), admin, settings)

    producer.produce(output, b"after")
    producer.commit_transaction(ANSWER_S)
    assert settings.transactional_id in {right.name for right in granted}
