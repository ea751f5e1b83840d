"""Writes reviews of products for the sentiment consumer, and counts the labels of its results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from shared.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable


def publish(servers: str, topic: str, reviews: Iterable[tuple[str, str]]) -> None:
    """Writes (product, text) pairs; the product is the key, which the consumer copies to the result."""
    producer = Producer({"bootstrap.servers": servers})
    for product, text in reviews:
        producer.produce(topic, key=product, value=json.dumps({"text": text}))
    if left := producer.flush(30):
        raise TimeoutError(f"{left} reviews were not acknowledged")


def count(servers: str, topic: str, results: int) -> Counts:
    """Reads the topic of results from its beginning until that many were counted."""
    counts = Counts()
    settings = {"bootstrap.servers": servers, "group.id": "products", "enable.auto.commit": False}
    consumer = Consumer({**settings, "isolation.level": "read_committed"})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        while counts.total < results:
            for message in consumer.consume(100, timeout=0.2):
                result = json.loads(message.value())
                counts.add(message.key().decode(), result["id"], result["label"])
    finally:
        consumer.close()
    return counts
