"""A FastStream application: a batch subscriber that acknowledges what it has published (at least once)."""

import asyncio
import sys

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from pydantic import BaseModel
from transformers import pipeline

BATCH = 32
servers, source, target, group, model = sys.argv[1:]

classifier = pipeline("text-classification", model)
broker = KafkaBroker(servers)


class Text(BaseModel):
    """An input."""

    id: str
    text: str


class Sentiment(BaseModel):
    """A result."""

    id: str
    label: str
    score: float


@broker.subscriber(
    source,
    group_id=group,
    batch=True,
    max_records=BATCH,
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.ACK,
    isolation_level="read_committed",
)
@broker.publisher(target, batch=True)
async def score(texts: list[Text]) -> list[Sentiment]:
    """Scores a batch."""
    answers = classifier([text.text for text in texts], batch_size=BATCH, truncation=True)
    return [Sentiment(id=text.id, **answer) for text, answer in zip(texts, answers, strict=True)]


asyncio.run(FastStream(broker).run())
