"""A text of 5,000 tokens is read whole, and a topic, HTTP and the command line have the same answer to it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest

from shared.model_folder.artifact import open_artifact, seal
from shared.model_folder.manifest import LongTexts
from tests.support.processes import free_port, run_command
from tests.support.tiny import MAX_TOKENS, tiny_model, vocabulary
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Consumers, Topics

TOKENS: Final = 5_000
SAME: Final = ("label", "tokens", "segments", "truncated", "uncertain", "model")
FP32: Final = ("--precision", "fp32")
"""In 16 bits an answer depends on its neighbours."""


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 64 tokens that reads up to 200 segments."""
    folder = tiny_model(tmp_path_factory.mktemp("long") / "model")
    how = LongTexts(max_segments=200, overlap=MAX_TOKENS // 8)
    seal(folder, open_artifact(folder).manifest.model_copy(update={"long_texts": how}))
    return folder


def test_a_text_of_5000_tokens(topics: Topics, reading: Path, consumers: Consumers) -> None:
    """Given one among short texts, when scored in all ways, then the answers and their segments are equal."""
    chance = random.Random(0)  # noqa: S311 - repeatable, not secret
    words = sorted(word for word in vocabulary() if word.isalpha())
    sentences = [" ".join(chance.choices(words, k=9)) + "." for _ in range(TOKENS // 10)]
    texts = {
        "long": " ".join(sentences),
        "short": "a fine day",
        "twice as long as a row": " ".join(sentences[:13]),
    }
    values = [json.dumps({"id": name, "text": text}).encode() for name, text in texts.items()]
    produce(topics.servers, topics.texts, [Sent(value) for value in values])
    port = free_port()

    flags = topics.flags("--model", str(reading), "--http-port", str(port), *FP32)
    consumer = consumers.start(flags, {"SENTIMENT_HTTP__MAX_TEXT_BYTES": "100000"})
    consumer.await_log('"event": "batch"')
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        over_http = client.post("/v1/score", json=[json.loads(value) for value in values]).json()
    assert consumer.terminate()[0] == 0
    offline = run_command("consumer", "score", "--json", "--model", str(reading), *FP32, stdin=b"\n".join(values))

    in_topic = [json.loads(one.value() or b"") for one in read_all(topics.servers, topics.sentiments)]
    ways = [in_topic, _results(over_http), [json.loads(line) for line in offline.stdout.splitlines()]]
    expected, *others = [{one["id"]: one for one in way} for way in ways]
    assert expected.keys() == texts.keys()
    assert expected["long"]["tokens"] > TOKENS
    assert expected["long"]["segments"] > TOKENS // MAX_TOKENS
    assert "segments" not in expected["short"]
    assert not any(one["truncated"] for one in expected.values())
    for other in others:
        for name, one in expected.items():
            assert {field: other[name].get(field) for field in SAME} == {field: one.get(field) for field in SAME}
            assert other[name]["probabilities"] == pytest.approx(one["probabilities"], abs=2e-6)


def _results(answer: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer if isinstance(answer, list) else answer["results"]
    return found
