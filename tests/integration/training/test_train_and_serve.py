"""From an archived topic to a model that serves it: archive, join labels, train, run, compare with the trainer."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.model_folder.artifact import open_artifact
from tests.integration.conftest import Topics
from tests.integration.stream.test_processes import SMALL_BATCHES
from tests.support.plain import predict_whole
from tests.support.processes import run_command
from tests.support.tiny import tiny_base
from tests.support.topics import Sent, produce, read_all
from trainer.models.baselines.model import Baseline

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.integration.conftest import Consumers, Tweet

TWEETS = 1_000
PARTITIONS = 2
TOLERANCE = 1e-3
ROUNDED = 1e-6
"""Probabilities of results have six decimals."""


def test_an_archived_topic_trains_the_model_that_serves_it(
    *, kafka: Broker, topic: MakeTopic, tweets: list[Tweet], consumers: Consumers, tmp_path: Path
) -> None:
    """Given a topic and labels by id, when archived and trained on, then serving gives the trainer's answers."""
    names = [topic(name, partitions=PARTITIONS) for name in ("texts", "sentiments", "letters")]
    topics = Topics(kafka.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4()}")
    chosen = tweets[:TWEETS]
    _send(topics, chosen)

    _trainer("archive", "--bootstrap-servers", topics.servers, "--topic", topics.texts, "--output", tmp_path / "a")
    labels = _labels(tmp_path / "labels.csv", chosen)
    _trainer(
        *("train", "--data", tmp_path / "a", "--labels", labels, "--base", tiny_base(tmp_path / "base")),
        *("--output", tmp_path / "model", "--epochs", "1", "--device", "cpu"),
    )
    flags = topics.flags("--model", str(tmp_path / "model"), "--precision", "fp32", "--max-messages", str(TWEETS))
    assert consumers.start(flags).wait() == 0

    served = [json.loads(message.value() or b"") for message in read_all(topics.servers, topics.sentiments)]
    artifact = open_artifact(tmp_path / "model")
    expected = predict_whole(artifact, [tweet.text for tweet in chosen])
    by_id = {
        tweet.id: dict(zip(artifact.manifest.labels, row, strict=True))
        for tweet, row in zip(chosen, expected, strict=True)
    }
    assert {result["id"] for result in served} == by_id.keys()
    assert any("segments" in result for result in served)
    for result in served:
        assert result["probabilities"] == pytest.approx(by_id[result["id"]], abs=TOLERANCE)
        assert result["model"] == {"name": "model", "version": artifact.version}


def test_a_baseline_is_served_as_a_transformer_is(
    *, topics: Topics, tweets: list[Tweet], consumers: Consumers, tmp_path: Path
) -> None:
    """Given an NBSVM, when its consumer is killed and started again, then each text has its answer once."""
    by_id = {tweet.id: tweet.text for tweet in tweets}
    _trainer(
        *("train", "--model", "nbsvm", "--data", _labelled(tmp_path / "labelled.csv", tweets[:TWEETS])),
        *("--output", tmp_path / "model"),
    )
    produce(
        topics.servers,
        topics.texts,
        [Sent(json.dumps({"id": name, "text": text}).encode()) for name, text in by_id.items()],
    )
    flags = topics.flags("--model", str(tmp_path / "model"))
    first = consumers.start(flags, SMALL_BATCHES)
    first.await_log('"event": "batch"', count=5)
    first.kill()
    before = len(read_all(topics.servers, topics.sentiments))
    assert 0 < before < len(by_id), "the kill came too early or too late to prove anything"
    assert consumers.start([*flags, "--until-idle-s", "8"], SMALL_BATCHES).wait() == 0

    served = [json.loads(message.value() or b"") for message in read_all(topics.servers, topics.sentiments)]
    baseline = Baseline.load(tmp_path / "model")
    expected = dict(zip(by_id, baseline.predict_proba(list(by_id.values())).tolist(), strict=True))
    assert sorted(result["id"] for result in served) == sorted(by_id)
    for result in served:
        assert list(result["probabilities"].values()) == pytest.approx(expected[result["id"]], abs=ROUNDED)


def _trainer(*arguments: object) -> None:
    done = run_command("trainer", *map(str, arguments))
    assert done.returncode == 0, done.stderr.decode()


def _labelled(file: Path, tweets: list[Tweet]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "label"])
        writer.writerows((tweet.text, tweet.label) for tweet in tweets)
    return file


def _labels(file: Path, tweets: list[Tweet]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "label"])
        writer.writerows((tweet.id, tweet.label) for tweet in tweets)
    return file


def _send(topics: Topics, tweets: list[Tweet]) -> None:
    records = [
        Sent(json.dumps({"id": tweet.id, "text": tweet.text}).encode(), partition=number % PARTITIONS)
        for number, tweet in enumerate(tweets)
    ]
    produce(topics.servers, topics.texts, records)
