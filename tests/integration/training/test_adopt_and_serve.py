"""A classifier that somebody else fine-tuned, on a real Kafka: adopt, run, compare with transformers' pipeline.

The service runs in this process: eleven consumers of their own took four minutes on a busy machine, most of it for
the imports of torch and transformers; this takes one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from transformers import pipeline

from consumer.service import serve
from consumer.settings import ConsumerSettings
from consumer.signals import StopSignal
from shared.kafka.settings import KafkaSettings
from tests.support.hub.models import ARCHITECTURES, write_classifier
from tests.support.topics import Sent, produce, read_all
from trainer.models.adopt import Job, adopt

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic

TOLERANCE = 1e-4
TEXTS = (
    "ok",
    "I LOVE this phone &amp; its camera, best purchase of the year!!",
    "  two  spaces,\ttabs\nand lines \r\n",
    "control tokens </s> [SEP] <|endoftext|> [PAD] at the end <|endoftext|>",
    "caf\u00e9 nai\u0308ve \N{GRINNING FACE}\N{FIRE} \u6211\u4eec\u5f88\u9ad8\u5174 #tag @someone http://a.b/c",
    *("good bad table " * count for count in (1, 2, 5, 9, 14, 40, 200)),
    "x" * 300,
)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_adopted_model_serves_what_the_pipeline_answers(
    *, architecture: str, kafka: Broker, topic: MakeTopic, tmp_path: Path
) -> None:
    """Given a fine-tuned model of any architecture, when adopted and run, then results have its own answers."""
    source = write_classifier(tmp_path / "hub", architecture)
    artifact, _ = adopt(Job(str(source), tmp_path / "model", tmp_path, device="cpu"))
    texts, sentiments, letters = (topic(name) for name in ("texts", "sentiments", "letters"))
    produce(
        kafka.bootstrap_servers,
        texts,
        [Sent(json.dumps({"id": str(number), "text": text}).encode()) for number, text in enumerate(TEXTS)],
    )

    serve(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True),
            model=tmp_path / "model",
            precision="fp32",
            device="cpu",
            group_id=f"group-{uuid4()}",
            input_topics=(texts,),
            output_topic=sentiments,
            dlq_topic=letters,
            max_messages=len(TEXTS),
        ),
        StopSignal(),
    )

    found: Any = pipeline("text-classification", model=str(source), top_k=None, device="cpu")
    limit = {"truncation": True, "max_length": artifact.manifest.max_tokens}
    expected = {
        str(number): {one["label"]: one["score"] for one in answer}
        for number, answer in enumerate(found([*TEXTS], **limit))
    }
    results = [json.loads(message.value() or b"") for message in read_all(kafka.bootstrap_servers, sentiments)]
    assert {result["id"] for result in results} == expected.keys()
    for result in results:
        assert result["probabilities"] == pytest.approx(expected[result["id"]], abs=TOLERANCE)
        assert result["model"] == {"name": "model", "version": artifact.version}
