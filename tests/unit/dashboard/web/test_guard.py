"""Who may ask: names, the token and its cookie, other sites; and what every answer carries."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dashboard.settings import DashboardSettings
from dashboard.web.guard import COOKIE, POLICY
from tests.unit.dashboard.web.conftest import Side

TOKEN = "0123456789abcdef"  # noqa: S105 - of no server but the test's
pytestmark = pytest.mark.anyio
PATHS = ("/", "/js/main.js", "/api/page", "/api/series.csv", "/nothing")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_the_headers(path: str) -> None:
    """Given any path, then the answer forbids scripts of elsewhere, frames, sniffing and referrers."""
    async with Side().client() as client:
        answer = await client.get(path)

    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7", ""])
async def test_another_name_is_refused(path: str, host: str) -> None:
    """Given a name that leads here from another site, then nothing is answered but 421."""
    async with Side().client() as client:
        answer = await client.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert answer.json()["reason"] == "unknown_host"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "board.example:443"])
async def test_trusted_names_may_ask(host: str) -> None:
    """Given a loopback name, or one of `trusted_hosts`, then the page is there."""
    async with Side(trusted_hosts="board.example").client() as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_without_the_token_there_is_nothing(path: str) -> None:
    """Given a token, when it is missing or wrong in any place, then every path answers 401."""
    async with Side(token=TOKEN).client() as client:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Cookie": f"{COOKIE}={TOKEN}"},
            {"Cookie": "a=;;\x7f"},
        ):
            assert (await client.get(path, headers=headers)).status_code == 401
        assert (await client.get(path, params={"token": "wrong"})).status_code == 401


async def test_the_token_becomes_a_cookie() -> None:
    """Given the token in the address, then it moves to a cookie that no script and no other site can use."""
    side = Side(token=TOKEN)
    async with side.client() as client:
        answer = await client.get("/", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/api/page")).status_code == 200
    async with side.client() as client:
        assert (await client.get("/api/page", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200


def test_a_wider_address_needs_a_token() -> None:
    """Given an address that other machines reach, without a token, then the settings are refused."""
    with pytest.raises(ValidationError, match=r"dashboard\.token"):
        DashboardSettings(host="0.0.0.0")  # noqa: S104
    assert DashboardSettings(host="0.0.0.0", token=TOKEN).token  # noqa: S104


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 404),
    ],
)
async def test_requests_of_other_sites_are_refused(headers: dict[str, str], status: int) -> None:
    """Given a page of another site that sends a text, then it is refused before anything is done."""
    given = {"Content-Type": "application/json", **headers}
    async with Side().client() as client:
        assert (await client.post("/api/score", content='{"text": "x"}', headers=given)).status_code == status
