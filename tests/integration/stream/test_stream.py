"""10,000 real tweets through a real broker, with 500 bad inputs among them: every one has its correct output."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.integration.conftest import Topics
from tests.support.processes import run_command
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from confluent_kafka import Message

    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.integration.conftest import Consumers, Tweet

GOOD = 10_000
BAD = 500
PARTITIONS = 3
RECORD_BYTES = 10_000
TOLERANCE = 1e-3

BAD_VALUES: list[tuple[bytes | None, str]] = [
    (None, "null"),
    (b"null", "the value is null"),
    (b"", "not JSON"),
    (b'{"text": "cut', "not JSON"),
    (b'{"text": "\xff\xfe"}', "not UTF-8"),
    (b"\xff\xfe{", "not UTF-16-LE"),
    (b'["text"]', "array"),
    (b'{"body": "no text"}', "an object with the fields body"),
    (b'{"text": null}', "it is null"),
    (b'{"text": 5}', "number"),
    (b'{"text": ""}', "blank"),
    (b'{"text": " \\n\\t"}', "blank"),
    (b'{"text": "\\ud800"}', "empty"),
    (b"{'text': 'fine'}", "Python dictionary"),
    (b'{"text": "one"}\n{"text": "two"}', "several JSON documents"),
    (b"\x1f\x8b\x08\0\0", "compressed with gzip"),
    (b'{"text": "deep", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "limit"),
    (b'{"text": "deep", "x": ' + b"[" * 4_000 + b"]" * 4_000 + b"}", "nested too deeply"),
    (b'{"text": "' + b"x" * RECORD_BYTES + b'"}', "limit"),
    (b'\0\0\0\0\1{"text": "framed"}', "--format json-schema"),
    (b"\0\0\0\0\1\x02\x06abc", "Avro or Protobuf"),
]


FP32 = ("--precision", "fp32")
"""In 16 bits an answer depends on its neighbours by more than the tolerance."""
NULLS = ("--on-null", "dead-letter")


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_every_message_comes_back(
    *,
    delivery: str,
    kafka: Broker,
    topic: MakeTopic,
    model: Path,
    tweets: list[Tweet],
    consumers: Consumers,
) -> None:
    """Given tweets and bad inputs mixed, when they are consumed, then each has its one correct answer."""
    topics = _topics(kafka, topic)
    good, bad = _good(tweets), _bad()
    mixed = sorted([*good.values(), *bad.values()], key=lambda sent: sent.timestamp_ms)
    produce(kafka.bootstrap_servers, topics.texts, mixed)

    env = {"SENTIMENT_LIMITS__MAX_RECORD_BYTES": str(RECORD_BYTES)}
    flags = topics.flags("--model", str(model), "--delivery", delivery, "--until-idle-s", "5", *FP32, *NULLS)
    assert consumers.start(flags, env).wait() == 0

    results = read_all(kafka.bootstrap_servers, topics.sentiments)
    letters = read_all(kafka.bootstrap_servers, topics.letters)
    assert len(results) == GOOD
    assert len(letters) == BAD
    _check_results(results, good, _offline_answers(model, good))
    _check_letters(letters, bad)


def _check_results(results: list[Message], good: dict[str, Sent], answers: dict[str, dict[str, float]]) -> None:
    last: dict[tuple[str, int], int] = defaultdict(lambda: -1)
    seen = set()
    for message in results:
        result = json.loads(_bytes(message.value()))
        sent, answer = good[result["id"]], answers[result["id"]]
        seen.add(result["id"])
        assert message.key() == sent.key
        assert _headers(message) == (*sent.headers, ("sentiment.schema", b"1"))
        assert message.timestamp()[1] == sent.timestamp_ms == result["source"]["timestamp"]
        assert message.partition() == sent.partition == result["source"]["partition"]
        assert result["label"] == max(answer, key=answer.__getitem__)
        assert result["probabilities"] == pytest.approx(answer, abs=TOLERANCE)
        assert result["source"]["offset"] > last[result["source"]["topic"], result["source"]["partition"]]
        last[result["source"]["topic"], result["source"]["partition"]] = result["source"]["offset"]
    assert seen == set(good)


def _check_letters(letters: list[Message], bad: dict[bytes, Sent]) -> None:
    for message in letters:
        headers = _headers(message)
        sent = bad.pop(dict(headers)["n"] or b"")
        assert message.value() == sent.value
        assert message.key() == sent.key
        assert headers[: len(sent.headers)] == sent.headers
        added = {name: (value or b"").decode() for name, value in headers[len(sent.headers) :]}
        assert added["sentiment.original_timestamp"] == str(sent.timestamp_ms)
        assert added["__connect.errors.stage"] == "decode"
        assert added["__connect.errors.partition"] == str(sent.partition)
        assert dict(BAD_VALUES)[sent.value] in added["__connect.errors.exception.message"]
    assert not bad


def _offline_answers(model: Path, good: dict[str, Sent]) -> dict[str, dict[str, float]]:
    """The output of `sentiment-consumer score` for the same messages, by id."""
    lines = b"\n".join(sent.value or b"" for sent in good.values())
    done = run_command("consumer", "score", "--json", "--model", str(model), *FP32, stdin=lines)
    assert done.returncode == 0, done.stderr.decode()
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["id"]: result["probabilities"] for result in results}


def _topics(kafka: Broker, topic: MakeTopic) -> Topics:
    names = [topic(name, partitions=PARTITIONS) for name in ("texts", "sentiments", "letters")]
    return Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")


def _good(tweets: list[Tweet]) -> dict[str, Sent]:
    start = _hour_ago_ms()
    good = {}
    for number in range(GOOD):
        tweet = tweets[number % len(tweets)]
        identity = f"{tweet.id}-{number}"
        good[identity] = Sent(
            json.dumps({"id": identity, "text": tweet.text, "extra": [number]}, ensure_ascii=False).encode(),
            key=None if number % 7 == 0 else f"user-{number % 50}".encode(),
            headers=(("n", str(number).encode()), ("n", b"again"), ("empty", None)),
            timestamp_ms=start + 10 * number,
            partition=number % PARTITIONS,
        )
    return good


def _bad() -> dict[bytes, Sent]:
    start = _hour_ago_ms()
    bad = {}
    for number in range(BAD):
        name = f"bad-{number}".encode()
        bad[name] = Sent(
            BAD_VALUES[number % len(BAD_VALUES)][0],
            key=hashlib.sha256(name).digest() if number % 3 else None,
            headers=(("n", name), ("traceparent", b"\x00\xff")),
            timestamp_ms=start + 200 * number + 1,
            partition=number % PARTITIONS,
        )
    return bad


def _hour_ago_ms() -> int:
    return int(time.time() - 3600) * 1000


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    return tuple(message.headers() or ())  # type: ignore[arg-type]


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
