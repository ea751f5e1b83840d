"""Try it: the text is scored in place, and the stream stays as it is."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.conftest import Dashboard, check
from tests.browser.stream import Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.stream import Stream

KEY = "0123456789abcdef"


class _Consumer(BaseHTTPRequestHandler):
    """Answers as `POST /v1/score` and `POST /v1/explain` of a consumer do."""

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        assert self.headers["X-API-Key"] == KEY
        assert self.path in {"/v1/score", "/v1/explain"}
        body = {
            "schema_version": 1, "id": "text-1", "label": "negative", "score": 0.7,
            "probabilities": {"negative": 0.7, "neutral": 0.2, "positive": 0.1}, "uncertain": False,
            "truncated": False, "tokens": len(text), "model": {"name": "minilm", "version": "v1"}, "source": None,
            "scored_at": "2026-11-26T16:00:00.000000Z",
        }  # fmt: skip
        if self.path == "/v1/explain":
            words = [
                {"text": "<b>", "weight": 0.01},
                {"text": "never", "weight": 2.5},
                {"text": "again", "weight": -1.0},
            ]
            body["explanation"] = {"method": "occlusion", "label": "negative", "log_odds": 0.85, "words": words}
        status = 200
        if text == "too long":
            status, body = 422, {"detail": "a text is too long; shorten it"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def consumer() -> Iterator[str]:
    """The URL of such a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Consumer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _sums(page: Page, dashboard: Dashboard) -> tuple[int, dict[str, int], list[str]]:
    """What the dashboard has read, counted, and shows as its sample."""
    found = page.request.get(f"{dashboard.url}api/page").json()
    return found["read"]["results"], found["counts"], [entry["text"] for entry in found["sample"]]


def test_a_text_is_scored_in_place(stream: Stream, tmp_path: Path, pages: Pages) -> None:
    """Given a consumer's HTTP, when a text is typed, then its probabilities are shown, and no sum has changed."""
    stream.say(Said("of the stream"))
    with consumer() as url:
        env = {"SENTIMENT_DASHBOARD__SCORE_KEY": KEY}
        dashboard = Dashboard(tmp_path, stream, "--score-url", url, env=env)
        try:
            page = pages.open(dashboard.url)
            expect(page.locator("#sample")).to_contain_text("of the stream")
            before = _sums(page, dashboard)
            page.fill("#try-text", "<b>never again</b>")
            page.locator("#try-send").click()
            expect(page.locator("#try-result")).to_contain_text("negative 0.70 in")
            expect(page.locator("#try-result")).to_contain_text("positive10.0%")
            page.get_by_role("button", name="Why?").click()
            words = page.locator("#try-result .words")
            expect(words).to_have_text("<b> never+2.50 again\u22121.00 ")
            expect(words.locator(".towards")).to_have_text("never+2.50")
            expect(words.locator(".against")).to_have_text("again\u22121.00")
            check(page)
            page.fill("#try-text", "too long")
            page.locator("#try-send").click()
            expect(page.locator("#try-result")).to_contain_text("a text is too long; shorten it")
            assert _sums(page, dashboard) == before
            assert KEY not in dashboard.log
            assert "never again" not in dashboard.log
        finally:
            dashboard.close()


def test_without_a_consumer_there_is_no_field(dashboard: Dashboard, pages: Pages) -> None:
    """Given no --score-url, then the page has no such field."""
    page = pages.open(dashboard.url)
    expect(page.locator("#state")).to_have_attribute("data-state", "live")
    expect(page.locator("#try")).to_be_hidden()
