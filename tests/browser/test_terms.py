"""A topic that people begin to write about is named on the page within two minutes, among real tweets."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Dashboard
from tests.browser.stream import Said
from tests.browser.waiting import until_read
from tests.support.processes import run_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.conftest import Pages
    from tests.browser.stream import Stream

WITHIN_S: Final = 120.0
HISTORY_S: Final = 600
PER_SECOND: Final = 10
SHARE: Final = 0.15
"""Of the texts, how many are about the new topic once it has begun."""
COMPLAINTS: Final = (
    "My card got declined twice because of the outage, and nobody picks up the phone",
    "Is there an outage? I can't log in since lunch",
    "Third outage this month. I'm moving my account somewhere else",
    "they say the outage is fixed, it is not fixed at all",
    "Stuck at the till thanks to your outage, so embarrassing",
    "Any news about the outage? The app just shows a white page",
    "OUTAGE again... no money for the train home :(",
    "An outage on payday, well done",
)
FIRST_THREE: Final = """
() => [...document.querySelectorAll("#rising .term button")].slice(0, 3)
    .some((one) => one.textContent === "outage")
"""


@pytest.fixture(scope="session")
def tweets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Real tweets, without two on other outages: words as unevenly frequent as those of any stream."""
    file = tmp_path_factory.mktemp("tweets") / "tweets.parquet"
    fetched = run_command("trainer", "fetch", "vader-tweets", "--output", str(file))
    assert fetched.returncode == 0, fetched.stderr
    found = pq.read_table(file, columns=["text"]).column("text").to_pylist()
    return [text for text in map(str, found) if "outage" not in text.lower()]


@pytest.fixture
def background(stream: Stream, tweets: list[str], tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard whose stream has ten minutes of tweets behind it."""
    for start in range(HISTORY_S, 0, -20):
        stream.say(*(Said(text, "neutral", age_s=start - n) for n, text in enumerate(tweets[start : start + 20])))
    found = Dashboard(tmp_path, stream)
    yield found
    found.close()


def test_a_new_topic_is_named_within_two_minutes(
    stream: Stream, background: Dashboard, tweets: list[str], pages: Pages
) -> None:
    """Given tweets of which 15 % are about an outage from now on, then the page names it in its first three."""
    page = pages.open(background.url)
    until_read(page, HISTORY_S)
    expect(page.locator("#talk")).to_be_visible()
    chance = random.Random(7)  # noqa: S311 - a test's data
    assert not page.evaluate(FIRST_THREE)
    began_s = time.monotonic()
    while not page.evaluate(FIRST_THREE):
        assert time.monotonic() - began_s < WITHIN_S, page.locator("#rising").text_content()
        stream.say(
            *(
                Said(chance.choice(COMPLAINTS), "negative")
                if chance.random() < SHARE
                else Said(chance.choice(tweets), "neutral")
                for _ in range(PER_SECOND)
            )
        )
        page.wait_for_timeout(1_000)
    print("named after, in seconds:", time.monotonic() - began_s)  # noqa: T201

    page.locator("#rising .term button", has_text="outage").click()
    expect(page.locator("#sample .record").first).to_contain_text("outage", ignore_case=True)
