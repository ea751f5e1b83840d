"""A typical loop with confluent-kafka and a Hugging Face pipeline: read 32, score, produce, flush, commit."""

import json
import signal
import sys

from confluent_kafka import Consumer, Producer
from transformers import pipeline

BATCH = 32
servers, source, target, group, model = sys.argv[1:]

classifier = pipeline("text-classification", model)
producer = Producer({"bootstrap.servers": servers})
consumer = Consumer(
    {
        "bootstrap.servers": servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([source])
signal.signal(signal.SIGTERM, lambda *_: sys.exit())

try:
    while True:
        messages = [message for message in consumer.consume(BATCH, timeout=0.1) if message.error() is None]
        if not messages:
            continue
        inputs = [json.loads(message.value()) for message in messages]
        answers = classifier([each["text"] for each in inputs], batch_size=BATCH, truncation=True)
        for message, each, answer in zip(messages, inputs, answers, strict=True):
            value = json.dumps({"id": each["id"], **answer})
            producer.produce(target, value=value, key=message.key(), headers=message.headers())
        producer.flush()
        consumer.commit(asynchronous=False)
finally:
    consumer.close()
