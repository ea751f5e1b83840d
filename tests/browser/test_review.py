"""Labels by keyboard: saved once acknowledged, taken back by a tombstone, and not asked for again."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from shared.kafka.labels.reader import LabelReader, latest
from shared.kafka.settings import KafkaSettings
from shared.messages import text_sha256
from tests.browser.conftest import Dashboard
from tests.browser.stream import Said
from tests.support.processes import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Request, Response

    from tests.browser.conftest import Pages
    from tests.browser.stream import Stream

NAME = "ann|o'brien"
ROUNDS: Final = 3
EACH: Final = 170
"""Texts of a round: the queue holds 200."""
UNANSWERED: Final = 10
"""Labels at most that are on their way when a dashboard is killed."""
VERDICTS: Final = {"awful": "1", "splendid": "3"}
"""Telling words, and the key of their label."""


@pytest.fixture
def labels_topic() -> str:
    """A topic that does not exist yet."""
    return f"labels-{uuid4().hex[:8]}"


@pytest.fixture
def desk(stream: Stream, tmp_path: Path, labels_topic: str) -> Iterator[Dashboard]:
    """A dashboard that takes labels."""
    env = {"SENTIMENT_DASHBOARD__LABELS_PER_MINUTE": "10000"}
    found = Dashboard(tmp_path, stream, "--labels-topic", labels_topic, env=env)
    yield found
    found.close()


def saved(stream: Stream, topic: str) -> dict[int, str]:
    """The latest verdicts in the topic, by offset of their record."""
    kafka = KafkaSettings(bootstrap_servers=stream.login["bootstrap.servers"], insecure=True)
    with LabelReader(kafka, topic) as reader:
        return {key.offset: label.verdict for key, label in latest(reader.changes()).items()}


def test_labels_by_keyboard_and_undo(stream: Stream, desk: Dashboard, labels_topic: str, pages: Pages) -> None:
    """Given unsure results, when keys label their texts, then the topic has what is shown as saved."""
    texts = ["one thing happened today", "another unclear matter", "nobody knows why though"]
    scores = (0.5, 0.4, 0.6)
    stream.say(
        *(Said(text, score=score) for text, score in zip(texts, scores, strict=True)),
        *(Said(label, label=label, score=0.99) for label in ("negative", "neutral")),
    )
    page = pages.open(desk.url)
    expect(page.locator("#review-text .text")).to_have_text(texts[1])  # the smallest margin
    page.fill("#annotator", NAME)
    page.locator("#desk").focus()
    for key, following in (("1", texts[0]), ("0", texts[2])):
        page.keyboard.press(key)
        expect(page.locator("#review-text .text")).to_have_text(following)
    expect(page.locator("#given li[data-state=saved]")).to_have_count(2)
    offsets = {
        entry["text"]: entry["source"][2] for entry in page.request.get(f"{desk.url}api/page").json()["sample"]
    }
    assert saved(stream, labels_topic) == {offsets[texts[1]]: "negative", offsets[texts[0]]: "unsure"}

    page.keyboard.press("u")
    expect(page.locator("#given li[data-state=undone]")).to_have_count(1)
    expect(page.locator("#review-text .text")).to_have_text(texts[0])
    assert saved(stream, labels_topic) == {offsets[texts[1]]: "negative"}

    kafka = KafkaSettings(bootstrap_servers=stream.login["bootstrap.servers"], insecure=True)
    with LabelReader(kafka, labels_topic) as reader:
        (label,) = latest(reader.changes()).values()
    assert (label.annotator, label.purpose, label.text_sha256) == (NAME, "queue", text_sha256(texts[1]))
    assert label.model is not None
    assert label.model.version == "v1"


@pytest.mark.timeout(600)
def test_510_labels_outlive_a_dashboard_that_is_killed(
    stream: Stream, desk: Dashboard, labels_topic: str, pages: Pages, tmp_path: Path
) -> None:
    """Given labels at full speed and kills, then what is shown as saved is the latest of its key, and trains.

    What has a label is not asked for again after a restart. A label whose answer was lost with a kill is not shown
    as saved, and may be in the topic or not.
    """
    said = texts_to_label()
    stream.say(
        Said("negative one", label="negative", score=0.99), Said("neutral one", label="neutral", score=0.99)
    )
    page = pages.open(desk.url)
    acknowledged: dict[int, str] = {}
    asked: dict[int, str] = {}

    def note(response: Response) -> None:
        if response.url.endswith("/api/label") and response.ok:
            given: Any = response.request.post_data_json
            acknowledged[given["offset"]] = given["verdict"]

    def note_request(request: Request) -> None:
        if request.url.endswith("/api/label"):
            given: Any = request.post_data_json
            asked[given["offset"]] = given["verdict"]

    page.on("response", note)
    page.on("request", note_request)
    page.fill("#annotator", "ann")
    for number in range(ROUNDS):
        desk.kill()
        stream.say(*said[number * EACH : (number + 1) * EACH])
        desk.start()
        label_all(page, (number + 1) * EACH - EACH // 2, asked)
        desk.kill()
        desk.start()
        label_all(page, (number + 1) * EACH, asked)
    expect(page.locator("#given li[data-state=saving]")).to_have_count(0, timeout=30_000)

    in_topic = saved(stream, labels_topic)
    assert {offset: in_topic.get(offset) for offset in acknowledged} == acknowledged
    assert {offset: asked[offset] for offset in in_topic} == in_topic
    assert len(acknowledged) >= ROUNDS * EACH - 2 * ROUNDS * UNANSWERED
    joined = run_command(
        *("trainer", "archive", "--bootstrap-servers", stream.login["bootstrap.servers"], "--topic", stream.texts),
        *("--output", str(tmp_path / "a"), "--labels-topic", labels_topic),
    )
    assert joined.returncode == 0, joined.stderr.decode()
    sure = sum(verdict != "unsure" for verdict in in_topic.values())
    assert f"{sure} labelled records" in joined.stdout.decode()
    trained = run_command(
        *("trainer", "train", "--data", str(tmp_path / "a-labelled.parquet"), "--model", "nb"),
        *("--output", str(tmp_path / "model"), "--no-behaviour"),
    )
    assert trained.returncode == 0, trained.stderr.decode()
    report = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))
    assert report["evaluations"]["test"]["accuracy"] > 0.9


def texts_to_label() -> list[Said]:
    """Texts of which the model is less sure from round to round; each has one word that says its label.

    Apart in time, since the sample takes 20 of a minute of the history.
    """
    chance = random.Random(0)  # noqa: S311 - repeatable, not secret
    syllables = [one + two for one in "bdfgklmnprst" for two in "aeiou"]
    words = ["".join(chance.choices(syllables, k=3)) for _ in range(2_000)]
    return [
        Said(
            " ".join([*chance.sample(words, 4), chance.choice([*VERDICTS])]),
            score=0.5 - 0.02 * (number // EACH),
            age_s=4 * (ROUNDS * EACH - number),
        )
        for number in range(ROUNDS * EACH)
    ]


def label_all(page: Page, until: int, asked: dict[int, str]) -> None:
    """Gives labels by the keyboard, as fast as the page takes them, until that many were asked for."""
    expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=30_000)
    expect(page.locator("#desk button").first).to_be_enabled(timeout=30_000)
    page.locator("#desk").focus()
    deadline = time.monotonic() + 120
    while len(asked) < until:
        assert time.monotonic() < deadline, f"{len(asked)} of {until} labels"
        text = page.evaluate("document.querySelector('#review-text .text')?.textContent ?? ''")
        if text:
            page.keyboard.press(next((key for word, key in VERDICTS.items() if word in text.split()), "0"))
        else:
            page.wait_for_timeout(20)
