"""IMDB and Sentiment140 in the forms in which they are published, from the archive to results in a real topic.

The texts are made up, the model is tiny. Commands and service run in this process: most of the time of another one
would go into importing torch and transformers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from consumer.service import serve
from consumer.settings import ConsumerSettings
from consumer.signals import StopSignal
from shared.kafka.settings import KafkaSettings
from shared.model_folder.artifact import open_artifact
from tests.support.tiny import tiny_base
from tests.support.topics import Sent, produce, read_all
from tests.unit.trainer.data.datasets import world
from trainer.__main__ import app
from trainer.data.parts import read_parts
from trainer.data.quality.findings import DataQuality
from trainer.data.readers import ColumnNames, read_examples

if TYPE_CHECKING:
    from pathlib import Path

    from sentiment_testing.kafka import Broker, MakeTopic
    from trainer.data.examples import Examples

ROWS = 60
"""Of each class in the training part."""


def published(name: str, folder: Path) -> Path:
    """The archive of a data set as its authors publish it."""
    if name == "imdb":
        return world.tar_of(world.imdb_tree(folder / "tree", ROWS), folder / "aclImdb_v1.tar.gz")
    return world.sentiment140_zip(folder / "trainingandtestdata.zip", ROWS)


def trainer(*words: object) -> None:
    """Runs a command of the trainer; an error is raised."""
    app([*map(str, words), "--log-level", "error"], standalone_mode=False)


def trained(name: str, folder: Path) -> tuple[Path, Examples]:
    """Fetches, inspects, trains and evaluates; returns the model folder and the rows."""
    file, model = folder / f"{name}.parquet", folder / "model"
    trainer("fetch", name, "--from", published(name, folder), "--output", file, "--cache-dir", folder / "cache")
    base = tiny_base(folder / "base")
    parts = ("--data", file, "--split-column", "split")
    trainer("inspect", *parts, "--base", base, "--strict", "--json", folder / "report.json")
    trainer(
        *("train", *parts, "--base", base, "--output", model, "--epochs", 1, "--device", "cpu"),
        *("--validation-fraction", 0.2, "--calibration-fraction", 0.2),
    )
    of_test = ("--data", file, "--part", "test")
    trainer("evaluate", "--model", model, *of_test, "--device", "cpu", "--precision", "fp32")
    return model, read_examples(file, ColumnNames(part="split"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "labels"), [("imdb", ("negative", "positive")), ("sentiment140", ("negative", "positive"))]
)
def test_a_published_archive_becomes_a_model(tmp_path: Path, name: str, labels: tuple[str, ...]) -> None:
    """Given the archive, when fetched, inspected and trained on, then the model has its labels and its figures."""
    model, rows = trained(name, tmp_path)
    artifact = open_artifact(model)
    assert artifact.manifest.labels == labels
    of_test = {key for key, part in zip(rows.ids, rows.parts or (), strict=True) if part == "test"}
    assert set(read_parts(artifact)["test"]) == of_test
    report = DataQuality.model_validate_json((tmp_path / "report.json").read_bytes())
    assert (report.used, report.lengths.unit, report.lengths.window) == (len(rows), "tokens", 128)
    assert report.parts.keys() == {"train", "test"}
    assert [(one.exact, one.near) for one in report.overlaps] == [(0, 0)]


@pytest.mark.parametrize("name", ["imdb", "sentiment140"])
def test_a_model_of_a_published_archive_serves_its_test_part(
    *, name: str, kafka: Broker, topic: MakeTopic, tmp_path: Path
) -> None:
    """Given a model trained on the archive, when the texts are sent, then each has a result with its labels."""
    model, rows = trained(name, tmp_path)
    texts, sentiments, letters = (topic(one) for one in ("texts", "sentiments", "letters"))
    sent = [json.dumps({"id": key, "text": text}).encode() for key, text in zip(rows.ids, rows.texts, strict=True)]
    produce(kafka.bootstrap_servers, texts, [Sent(value) for value in sent])
    serve(
        ConsumerSettings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, insecure=True),
            model=model,
            precision="fp32",
            device="cpu",
            group_id=f"group-{uuid4()}",
            input_topics=(texts,),
            output_topic=sentiments,
            dlq_topic=letters,
            max_messages=len(sent),
        ),
        StopSignal(),
    )
    results = [json.loads(message.value() or b"") for message in read_all(kafka.bootstrap_servers, sentiments)]
    assert sorted(result["id"] for result in results) == sorted(rows.ids)
    assert all(result["probabilities"].keys() == {"negative", "positive"} for result in results)
    assert not list(read_all(kafka.bootstrap_servers, letters))
