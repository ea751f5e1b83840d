"""The page goes on by itself after its server, or the broker, was away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from playwright.sync_api import expect

from sentiment_testing.kafka import UnavailableError, local_node
from tests.browser.conftest import Dashboard
from tests.browser.stream import Said, Stream
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentiment_testing.kafka import LocalNode
    from tests.browser.conftest import Pages


def test_the_server_is_restarted(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given an open page, when its server ends and starts again, then the page says so, and has all records."""
    stream.say(Said("before"))
    page = pages.open(dashboard.url)
    expect(page.locator("#headline")).to_contain_text("1 results")
    assert dashboard.stop() == 0
    expect(page.locator("#state-words")).to_have_text("Reconnecting")
    stream.say(Said("meanwhile"))
    dashboard.start()
    expect(page.locator("#headline")).to_contain_text("2 results", timeout=20_000)
    expect(page.locator("#state")).to_have_attribute("data-state", "live")


@pytest.fixture
def node() -> Iterator[LocalNode]:
    """A broker that this test may stop."""
    try:
        with local_node(0) as found:
            yield found
    except UnavailableError as why:
        skip_or_fail(str(why))


def test_the_broker_is_away(node: LocalNode, tmp_path: Path, pages: Pages) -> None:
    """Given a broker that stops answering and comes back, then the page goes on, and each record counts once."""
    servers = node.broker.bootstrap_servers
    names = ("texts", "sentiments", "letters")
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result()
    # A short timeout, so that an outage of seconds is noticed.
    env = {"SENTIMENT_KAFKA__PROPERTIES": '{"socket.timeout.ms": 3000}'}
    stream = Stream({"bootstrap.servers": servers}, *names)
    stream.say(Said("before"))
    dashboard = Dashboard(tmp_path, stream, env=env)
    try:
        page = pages.open(dashboard.url)
        expect(page.locator("#headline")).to_contain_text("1 results", timeout=20_000)
        node.pause()
        expect(page.locator("#state-words")).to_have_text("Reconnecting to Kafka", timeout=60_000)
        node.resume()
        stream.say(Said("after"))
        expect(page.locator("#headline")).to_contain_text("2 results", timeout=60_000)
        expect(page.locator("#state")).to_have_attribute("data-state", "live", timeout=20_000)
    finally:
        dashboard.close()
