"""A Quix Streams application: a message at a time, or in windows of 32 messages of one key."""

import sys

from quixstreams import Application
from transformers import pipeline

BATCH = 32
servers, source, target, group, model, how, folder = sys.argv[1:]

classifier = pipeline("text-classification", model)


def score(value: dict) -> dict:
    """Scores one message."""
    return {"id": value["id"], **classifier(value["text"], truncation=True)[0]}


def score_window(window: dict) -> list[dict]:
    """Scores the messages of one window."""
    values = window["value"]
    answers = classifier([value["text"] for value in values], batch_size=BATCH, truncation=True)
    return [{"id": value["id"], **answer} for value, answer in zip(values, answers, strict=True)]


app = Application(broker_address=servers, consumer_group=group, auto_offset_reset="earliest", state_dir=folder)
texts = app.dataframe(app.topic(source, value_deserializer="json"))
if how == "windows":
    results = texts.tumbling_count_window(count=BATCH).collect().final().apply(score_window, expand=True)
else:
    results = texts.apply(score)
results.to_topic(app.topic(target, value_serializer="json"))
app.run()
