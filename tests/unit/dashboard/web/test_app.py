"""The page's files, its frames, and the try-it field."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import dashboard
from dashboard.views.selection import Selection
from dashboard.web.broadcast import TICK_S, Broadcast
from dashboard.web.files import page_files
from dashboard.web.limits import RateLimit
from dashboard.web.problems import Problem
from tests.unit.dashboard.records import scored
from tests.unit.dashboard.web.conftest import Side

pytestmark = pytest.mark.anyio
STATIC = Path(dashboard.__file__).parent / "static"
ROOT = STATIC.parents[1]


def test_vendored_files_are_those_of_their_authors() -> None:
    """Given what is vendored, then each file has its SHA-256, none is missing, the licence is there."""
    folder = STATIC / "vendor" / "uplot"
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS", "VERSION"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (folder / "LICENSE").read_text()


def test_own_files_are_small_and_say_their_job() -> None:
    """Given each script and style sheet of ours, then its first line says its job, and it is short."""
    own = [*STATIC.glob("js/*.js"), *STATIC.glob("css/*.css")]
    assert len(own) > 10
    for path in own:
        lines = path.read_text().splitlines()
        assert lines[0].startswith(("// ", "/* ")), path
        assert len(lines) <= 250, path


def test_no_file_of_the_page_makes_markup_of_text() -> None:
    """Given our scripts, then none makes markup or code of a text, and the page has no inline code."""
    for path in STATIC.glob("js/*.js"):
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert word not in text, (path, word)
    page = (STATIC / "index.html").read_text()
    assert "style=" not in page
    assert not re.search(r"\son\w+=", page)
    assert "http:" not in page
    assert "https:" not in page


async def test_only_files_of_the_page_are_served() -> None:
    """Given paths that leave the folder, then there is nothing; a file that is known is not sent again."""
    async with Side().client() as client:
        for path in ("/../settings.py", "/%2e%2e/settings.py", "/js/..%2f..%2fsettings.py", "/index.html", "/js"):
            assert (await client.get(path)).status_code == 404
        first = await client.get("/js/main.js")
        again = await client.get("/js/main.js", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert "/" in page_files()


@pytest.mark.parametrize("query", ["span=1", "span=x", "start=5", "other=1", f"text={'x' * 201}"])
async def test_a_selection_that_makes_no_sense_is_a_problem(query: str) -> None:
    """Given a query that is refused, then the answer is a problem that does not quote it."""
    async with Side().client() as client:
        answer = await client.get(f"/api/page?{query}")
    assert answer.status_code == 422
    assert answer.json()["reason"] == "invalid"


async def test_frames_come_twice_a_second_at_most_and_the_newest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a viewer that reads slowly, then frames between two reads are dropped, not queued."""
    side = Side()
    made: list[bytes] = []
    encoded = side.frames.encoded

    def noted(chosen: Selection) -> bytes:
        made.append(encoded(chosen))
        return made[-1]

    monkeypatch.setattr(side.frames, "encoded", noted)
    broadcast = Broadcast(side.frames, side.window, 5, side.stop)
    began_s = asyncio.get_running_loop().time()
    frames = broadcast.join(Selection())
    await anext(frames)
    for number in range(12):
        side.window.add([scored(number)])
        await asyncio.sleep(TICK_S / 4)
    async with asyncio.timeout(10):
        while b'"results":12' not in made[-1]:  # noqa: ASYNC110 - the test must not read a frame meanwhile
            await asyncio.sleep(TICK_S)
    assert b'"results":12' in await anext(frames)
    side.window.add([scored(99)])
    while b'"results":13' not in await asyncio.wait_for(anext(frames), 5):
        pass
    assert len(made) <= 2 + (asyncio.get_running_loop().time() - began_s) / TICK_S
    side.stop.set()
    async for _ in frames:
        pass


async def test_frames_that_fail_end_the_open_pages_and_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a frame that cannot be made, then open pages end, the log names the error, and later ones work."""
    side = Side()
    broadcast = Broadcast(side.frames, side.window, 5, side.stop)
    frames = broadcast.join(Selection())
    await anext(frames)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(side.frames, "encoded", lambda _: 1 / 0)
        side.window.add([scored(1)])
        rest = await asyncio.wait_for(anext(frames, b"the end"), 5)
    assert rest == b"the end"
    assert [(line["event"], "ZeroDivisionError" in line["error"]) for line in logs] == [("frames_failed", True)]
    assert b'"results":1' in await anext(broadcast.join(Selection()))
    side.stop.set()


async def test_too_many_viewers_are_refused() -> None:
    """Given as many open pages as `viewers`, then one more is refused, and a place that is left is free again."""
    side = Side()
    broadcast = Broadcast(side.frames, side.window, 1, side.stop)
    frames = broadcast.join(Selection())
    await anext(frames)
    with pytest.raises(Problem, match="full"):
        broadcast.join(Selection())
    await frames.aclose()  # type: ignore[attr-defined]
    broadcast.join(Selection())
    side.stop.set()


def test_the_rate_limit_counts_a_minute() -> None:
    """Given a limit of two, then a third within a minute is refused with the time to wait, and later it passes."""
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0])
    limit.take()
    now[0] = 30
    limit.take()
    with pytest.raises(Problem, match="too_many") as found:
        limit.take()
    assert "31 s" in found.value.detail
    now[0] = 60
    limit.take()


async def test_try_it_without_an_answer_says_so() -> None:
    """Given a score URL where nobody listens, or a body that is none, then the problem says what to do."""
    side = Side(score_url="http://127.0.0.1:9")
    headers = {"Content-Type": "application/json"}
    async with side.client() as client:
        answer = await client.post("/api/score", content='{"text": "secret"}', headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (502, "unreachable")
        for body in ("{}", "[", '{"text": ""}', '{"text": "%s"}' % ("x" * 5_001)):
            answer = await client.post("/api/score", content=body, headers=headers)
            assert answer.status_code == 422
            assert "xx" not in answer.text
        assert (await client.post("/api/score", content=b"x" * 70_000, headers=headers)).status_code == 413
