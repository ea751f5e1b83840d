"""Mutant: dead letters are written by a producer of their own, at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from confluent_kafka import Producer

import consumer.outbox
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.records import Outgoing
    from consumer.sender import Sender


def apply() -> None:
    """Replaces how a batch is sent."""
    apart = Producer({"bootstrap.servers": os.environ["SENTIMENT_KAFKA__BOOTSTRAP_SERVERS"], "log_level": 2})

    def send_all(sender: Sender, results: Iterable[Outgoing], dead_letters: Iterable[Outgoing]) -> None:
        for outgoing in results:
            sender.send(sender.output_topic, outgoing)
        for letter in dead_letters:
            apart.produce(
                sender.dlq_topic, value=letter.value, key=letter.source.key, headers=list(letter.headers)
            )
        apart.flush(10)

    replace(consumer.outbox, "_send_all", send_all)
