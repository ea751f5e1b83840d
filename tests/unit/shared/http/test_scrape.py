"""What a process answers is untrusted: size, time, form, and where the token goes."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.monitoring.server import MetricsServer
from consumer.monitoring.settings import MetricsSettings
from consumer.monitoring.values import Values
from shared.http import scrape as module
from shared.http.scrape import NoAnswer, Snapshot, Target, parse, parse_target, scrape, scrape_all
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "0123456789abcdef"  # noqa: S105 - of no server but the test's


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[Target, list[str | None]]]:
    """A server with this answer, and the Authorization headers that it received."""
    received: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answers."""
            received.append(self.headers.get("Authorization"))
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Target("127.0.0.1", server.server_port), received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize(
    ("given_", "target"),
    [
        ("9464", Target("127.0.0.1", 9464)),
        ("host:9464", Target("host", 9464)),
        ("[::1]:9464", Target("::1", 9464)),
        ("http://host:9464/metrics", Target("host", 9464)),
        ("https://host/a/metrics", Target("host", 443, "/a/metrics", is_secure=True)),
    ],
)
def test_a_process_is_a_port_an_address_or_a_url(given_: str, target: Target) -> None:
    """The forms that the help text names."""
    assert parse_target(given_) == target


@pytest.mark.parametrize("wrong", ["", "host:x", "99999", "file:///etc/passwd", "http://user:word@host:1/metrics"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    """A login in a URL would be printed as the name of the process."""
    with pytest.raises(ValueError, match=r"."):
        parse_target(wrong)


@given(st.text(max_size=40))
def test_any_argument_is_a_target_or_refused(given_: str) -> None:
    """Nothing but ValueError."""
    try:
        target = parse_target(given_)
    except ValueError:
        return
    assert target.host
    assert 0 <= target.port <= 65_535


def test_the_own_server_is_read_with_its_token() -> None:
    """Given a server that wants a token, then it is read with it and refused without."""
    settings = MetricsSettings.model_validate({"port": free_port(), "token": TOKEN})
    server = MetricsServer(settings, Values())
    try:
        target = Target("127.0.0.1", server.port)
        assert "sentiment_messages_total" in scrape(target, TOKEN).samples
        with pytest.raises(NoAnswer, match=r"metrics\.token"):
            scrape(target)
    finally:
        server.close()


def test_a_redirection_takes_the_token_nowhere() -> None:
    """Given a server that sends its reader elsewhere, then nobody else is asked."""
    with answering(lambda handler: _send(handler, b"")) as (elsewhere, received):

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"http://127.0.0.1:{elsewhere.port}/metrics")
            handler.end_headers()

        with answering(redirect) as (target, _), pytest.raises(NoAnswer, match="answers 302"):
            scrape(target, TOKEN)
        assert received == []


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more bytes than a process has metrics, or a byte at a time, then it is left."""
    monkeypatch.setattr(module, "MAX_BYTES", 1_000)
    with (
        answering(lambda handler: _send(handler, b"x" * 2_000)) as (target, _),
        pytest.raises(NoAnswer, match="too much"),
    ):
        scrape(target)
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    release = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not release.wait(0.02):
            try:
                handler.wfile.write(b"# \n")
            except OSError:
                return

    with answering(drip) as (target, _):
        with pytest.raises(NoAnswer, match="too slow"):
            scrape(target)
        release.set()


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_body_is_samples_or_no_answer(body: bytes) -> None:
    """A page of HTML, a picture, half an answer."""
    with suppress(NoAnswer):
        assert isinstance(parse(body.decode("utf-8", "replace")), dict)


def test_one_that_is_away_does_not_hide_the_others() -> None:
    """The answers are in the order of the targets."""
    with answering(lambda handler: _send(handler, b"sentiment_inflight_rows 3\n")) as (target, _):
        away, there = scrape_all([Target("127.0.0.1", free_port()), target], None)
    assert isinstance(away, NoAnswer)
    assert str(away) == "is not there"
    assert isinstance(there, Snapshot)
    assert there.samples["sentiment_inflight_rows"] == {(): 3}
