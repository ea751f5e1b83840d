"""Labels by keyboard: saved once acknowledged, taken back by a tombstone, and not asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from shared.kafka.labels.reader import LabelReader, latest
from shared.kafka.settings import KafkaSettings
from shared.messages import text_sha256
from tests.browser.conftest import Dashboard
from tests.browser.stream import Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Response

    from tests.browser.conftest import Pages
    from tests.browser.stream import Stream

NAME = "ann|o'brien"


@pytest.fixture
def labels_topic() -> str:
    """A topic that does not exist yet."""
    return f"labels-{uuid4().hex[:8]}"


@pytest.fixture
def desk(stream: Stream, tmp_path: Path, labels_topic: str) -> Iterator[Dashboard]:
    """A dashboard that takes labels."""
    found = Dashboard(tmp_path, stream, "--labels-topic", labels_topic)
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


def test_labels_outlive_the_dashboard(stream: Stream, desk: Dashboard, labels_topic: str, pages: Pages) -> None:
    """Given 24 quick labels and a dashboard that is killed in between, then what is shown as saved is there.

    What was labelled is not asked for again after the restart.
    """
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    pairs = [(one, two) for one in words for two in words if one != two]
    # Apart in time, since the sample takes 20 of a minute of the history.
    said = [Said(f"{one} {two} {one}{two}", score=0.5, age_s=8 * n) for n, (one, two) in enumerate(pairs)]
    stream.say(*said, Said("negative one", label="negative", score=0.99))
    page = pages.open(desk.url)
    acknowledged: dict[int, str] = {}

    def note(response: Response) -> None:
        if response.url.endswith("/api/label") and response.ok:
            given: Any = response.request.post_data_json
            acknowledged[given["offset"]] = given["verdict"]

    page.on("response", note)
    expect(page.locator("#review-waiting")).to_contain_text(f"{len(said) + 1} waiting")
    page.fill("#annotator", "ann")
    page.locator("#desk").focus()
    for number in range(24):
        page.keyboard.press("1" if number % 2 else "2")
        page.wait_for_timeout(60)
        if number == 12:
            desk.kill()
            desk.start()
            expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=20_000)
            expect(page.locator("#desk button").first).to_be_enabled(timeout=20_000)
            page.locator("#desk").focus()
    expect(page.locator("#given li[data-state=saving]")).to_have_count(0, timeout=30_000)
    in_topic = saved(stream, labels_topic)
    assert len(acknowledged) >= 12
    assert {offset: in_topic.get(offset) for offset in acknowledged} == acknowledged
    other = pages.open(desk.url)
    left = len(said) + 1 - len(in_topic)
    expect(other.locator("#review-waiting")).to_contain_text(f"{left} waiting", timeout=20_000)
