"""Mutant: dead letters are written by a producer of their own, at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from consumer.kafka.sender import Sender
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.stream.records import Outgoing


def apply() -> None:
    """Replaces the method that sends a batch."""
    dlq_topic = os.environ["SENTIMENT_DLQ_TOPIC"]
    apart = Producer({"bootstrap.servers": os.environ["SENTIMENT_KAFKA__BOOTSTRAP_SERVERS"], "log_level": 2})

    def send(sender: Sender, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing]) -> None:
        whole(sender, results, ())
        for letter in dead_letters:
            apart.produce(dlq_topic, value=letter.value, key=letter.source.key, headers=list(letter.headers))
        apart.flush(10)

    whole = replace(Sender, "send", send)
