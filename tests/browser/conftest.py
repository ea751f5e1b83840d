"""A Chromium, a page that reports what it must not do, and a dashboard with a stream of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import sync_playwright

from sentiment_testing.process import ConsumerProcess
from tests.browser.stream import Stream
from tests.conftest import skip_or_fail
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Dialog, Page

    from sentiment_testing.kafka import Broker, MakeTopic

AXE: Final = Path(os.environ.get("AXE", ".cache/axe/package/axe.min.js"))
CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium")
VIOLATIONS: Final = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Dashboard:
    """A running `sentiment-dashboard`, which can be ended and started again."""

    def __init__(self, folder: Path, stream: Stream, *flags: str, env: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._env = env
        self._port = free_port()
        self._flags = (
            *("--bootstrap-servers", stream.login["bootstrap.servers"], "--port", str(self._port)),
            *("--result-topics", stream.results, "--letter-topics", stream.letters, *flags),
        )
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Starts the process, and waits until it listens."""
        self._starts += 1
        log = self._folder / f"dashboard-{self._port}-{self._starts}.log"
        self._process = ConsumerProcess(
            log, *self._flags, env=self._env, command=(sys.executable, "-m", "dashboard")
        )
        self._process.await_log("http_listening")

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()

    def stop(self) -> int:
        """Ends it in order; returns the exit code."""
        return self._process.terminate()[0]

    def close(self) -> None:
        """Makes sure that it has ended."""
        self._process.close()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}/"

    @property
    def log(self) -> str:
        """What it has logged since its last start."""
        return self._process.log


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        skip_or_fail("no chromium on the PATH: make browser-setup")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Pages:
    """Opens pages, and fails the test for a dialog, an error or a violation of the policy in any of them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: list[Page] = []
        self._faults: list[str] = []

    def open(self, url: str, *, width: int = 1280, height: int = 900, theme: Any = "light") -> Page:
        """A page in a context of its own."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale="en-GB",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        context.add_init_script(VIOLATIONS)
        page = context.new_page()
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self._faults.append(str(error)))
        page.goto(url)
        self._pages.append(page)
        return page

    def _dialog(self, dialog: Dialog) -> None:
        self._faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Closes all pages."""
        for page in self._pages:
            self._faults += page.evaluate("window.violations")
            page.context.close()
        assert self._faults == []


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    """Pages of one test."""
    found = Pages(browser)
    yield found
    found.check()


@pytest.fixture
def stream(kafka: Broker, topic: MakeTopic) -> Stream:
    """Topics of one test, and their producer."""
    names = [topic(name) for name in ("texts", "sentiments", "letters")]
    return Stream({"bootstrap.servers": kafka.bootstrap_servers}, *names)


@pytest.fixture
def dashboard(stream: Stream, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard of that stream."""
    found = Dashboard(tmp_path, stream, "--group-by", "channel")
    yield found
    found.close()


def check(page: Page) -> None:
    """Runs axe with all its rules of WCAG 2.2 AA and its best practices."""
    # As evaluated code, which the policy of the page does not concern.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]][:4]) for one in found] == []
