"""Where a text is missing, the page says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from playwright.sync_api import expect

from sentiment_testing.kafka import UnavailableError
from tests.browser.conftest import Dashboard
from tests.browser.stream import Said, Stream
from tests.conftest import skip_or_fail
from tests.support.secure_kafka import ADMIN, USER, secure_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.conftest import Pages
    from tests.support.secure_kafka import SecureBroker

TOPICS = ("texts", "sentiments", "letters")


def test_a_text_that_is_gone(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given results whose input topic or record no longer exists, then the page says so; others have texts."""
    stream.say(Said("still there"))
    stream.say(Said("", source=("no.such.topic", 0, 1)), Said("", source=(stream.texts, 0, 10_000)))
    page = pages.open(dashboard.url)

    expect(page.locator("#sample")).to_contain_text("still there")
    expect(page.locator("#sample .absent", has_text="the input record is gone")).to_have_count(2, timeout=20_000)
    expect(page.locator("#notice")).to_contain_text("no such topic: no.such.topic")


def test_redacted_pages_hold_no_text(stream: Stream, tmp_path: Path, pages: Pages) -> None:
    """Given --redact, then no text and no term reaches the browser."""
    stream.say(*(Said(f"secret {n}") for n in range(30)))
    dashboard = Dashboard(tmp_path, stream, "--redact")
    try:
        page = pages.open(dashboard.url)
        expect(page.locator("#sample")).to_contain_text("texts are not shown here")
        expect(page.locator("#talk")).to_be_hidden()
        assert "secret" not in page.request.get(f"{dashboard.url}api/page").text()
        assert "secret" not in page.request.get(f"{dashboard.url}api/sample.csv").text()
    finally:
        dashboard.close()


@pytest.fixture
def secure_broker() -> Iterator[SecureBroker]:
    """A Kafka with rights."""
    try:
        with secure_kafka() as found:
            yield found
    except UnavailableError as why:
        skip_or_fail(str(why))


def test_a_text_that_is_forbidden(secure_broker: SecureBroker, tmp_path: Path, pages: Pages) -> None:
    """Given rights on the results but not on the input, then figures are shown, and the page names the right."""
    admin = AdminClient(dict(secure_broker.login(ADMIN)))
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in TOPICS]).values():
        future.result()
    rights = [(name, AclOperation.READ) for name in TOPICS[1:]] + [
        (name, AclOperation.DESCRIBE) for name in TOPICS
    ]
    rules = [
        AclBinding(
            ResourceType.TOPIC,
            name,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            right,
            AclPermissionType.ALLOW,
        )
        for name, right in rights
    ]
    for future in admin.create_acls(rules).values():
        future.result()
    stream = Stream(secure_broker.login(ADMIN), *TOPICS)
    stream.say(Said("nobody may read this"))
    env = {
        "SENTIMENT_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
        "SENTIMENT_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "SENTIMENT_KAFKA__SASL_USERNAME": USER,
        "SENTIMENT_KAFKA__SASL_PASSWORD": secure_broker.passwords[USER],
        "SENTIMENT_KAFKA__SSL_CA_LOCATION": str(secure_broker.ca),
    }
    dashboard = Dashboard(tmp_path, stream, env=env)
    try:
        page = pages.open(dashboard.url)
        expect(page.locator("#headline")).to_contain_text("1 results", timeout=30_000)
        expect(page.locator("#sample")).to_contain_text("Kafka denies READ on the input topic", timeout=30_000)
        expect(page.locator("#notice")).to_contain_text("READ on topic texts")
    finally:
        dashboard.close()
