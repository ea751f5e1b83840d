"""The stack without a profile: Kafka, topics, consumer and page, with a model that is mounted."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.docker.stack import ComposeStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docker.engine import Engine

METRICS: Final = """
import sys
from urllib.request import Request, urlopen
request = Request("http://consumer:9464/metrics", headers={"Authorization": "Bearer " + sys.argv[1]})
print(urlopen(request).read().decode())
"""


@pytest.fixture(scope="module")
def stack(images: Engine, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """A running stack."""
    stack = ComposeStack(images, tmp_path_factory.mktemp("stack"), models=models)
    try:
        stack.up()
        yield stack
    finally:
        stack.close()


def test_the_file_is_valid_for_compose(engine: Engine, tmp_path: Path) -> None:
    """Given all profiles, when Compose reads the file, then it has no complaint."""
    said = engine.run(*engine.compose, "--profile", "*", "config", "--quiet", SECRETS_DIR=str(tmp_path))
    assert not said


def test_a_text_is_scored_and_a_killed_consumer_comes_back(stack: ComposeStack) -> None:
    """Given texts, a kill, and more texts, when the consumer is started again, then each has its result once."""
    before = stack.send(["a good day", "a broken kettle", "a kettle"])
    found = {one.id: one.label for one in stack.results(len(before))}
    assert [found[one] for one in before] == ["positive", "negative", "neutral"]
    stack.container("consumer").kill()
    assert stack.container("consumer").status == "exited"
    after = stack.send(["a horrible day", "love it"])
    stack.compose("start", "consumer")
    results = stack.results(len(before) + len(after))
    assert sorted(one.id for one in results) == sorted(before + after)
    found = {one.id: one.label for one in results}
    assert [found[one] for one in after] == ["negative", "positive"]
    stack.await_health("consumer")


def test_it_is_healthy_by_its_own_check(stack: ComposeStack) -> None:
    """Given the stack, when the checks of its services are asked, then all say healthy."""
    for service in ("kafka", "consumer", "dashboard"):
        stack.await_health(service)
    assert stack.execute("consumer", "sentiment-consumer", "health").code == 0


def test_neither_root_nor_model_can_be_written(stack: ComposeStack) -> None:
    """Given the consumer, when it writes to its model or its root, then it may not; it has no rights to gain."""
    for place in ("/models/sentiment/new", "/new"):
        assert "Read-only file system" in stack.execute("consumer", "touch", place).output
    status = stack.execute("consumer", "cat", "/proc/1/status").output
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


def test_secrets_are_files_and_open_the_page_and_the_metrics(stack: ComposeStack) -> None:
    """Given the secrets, when page, scores and metrics are asked for, then only those who have them are served."""
    page = yaml.safe_load((stack.secrets / "dashboard.yml").read_text())["dashboard"]
    for service in ("consumer", "dashboard"):
        variables = "".join(stack.container(service).attrs["Config"]["Env"])
        assert not [secret for secret in page.values() if secret in variables]
    assert _ask(stack, "GET", "/api/page", "wrong")[0] == 401
    assert _ask(stack, "GET", "/api/page", page["token"])[0] == 200
    status, body = _ask(stack, "POST", "/api/score", page["token"], b'{"text": "a lovely day"}')
    assert (status, b"positive" in body) == (200, True), body
    token = (stack.secrets / "metrics-token").read_text()
    assert "sentiment_messages_total" in stack.execute("dashboard", "python", "-c", METRICS, token).output
    assert "401" in stack.execute("dashboard", "python", "-c", METRICS, "wrong").output


def _ask(stack: ComposeStack, method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", stack.page_port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
