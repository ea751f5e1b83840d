"""The minimal loop between two topics: read many, write them with key and headers, flush, commit."""

import signal
import sys

from confluent_kafka import Consumer, Producer

BATCH = 512
servers, source, target, group, _model = sys.argv[1:]

producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "compression.type": "lz4"})
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
        for message in messages:
            producer.produce(
                target,
                value=message.value(),
                key=message.key(),
                headers=message.headers(),
                partition=message.partition(),
            )
        producer.flush()
        consumer.commit(asynchronous=False)
finally:
    consumer.close()
