"""axe-core finds nothing, in every colour scheme and at both ends of the widths; announcements are rare."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AXE, check
from tests.browser.stream import Said
from tests.conftest import skip_or_fail

if TYPE_CHECKING:
    from tests.browser.conftest import Dashboard, Pages
    from tests.browser.stream import Stream


@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_axe_finds_nothing(*, stream: Stream, dashboard: Dashboard, pages: Pages, theme: str, width: int) -> None:
    """Given a page with everything open, then axe has no violation, and nothing is wider than the screen."""
    if not AXE.is_file():
        skip_or_fail("no axe-core: make browser-setup")
    for number in range(40):
        late = number > 20
        stream.say(
            Said(
                "late again #delay" if late else "all fine",
                label="negative" if late else "positive",
                score=0.5 if number % 9 == 0 else 0.93,
                age_s=100 - 2 * number,
                headers={"channel": "app"},
            )
        )
    stream.reject("BadRecord", "the text is empty or only white space")
    page = pages.open(dashboard.url, width=width, theme="light" if theme == "contrast" else theme)
    expect(page.locator("#sample")).to_contain_text("late again")
    expect(page.locator("#letters")).to_contain_text("BadRecord")
    page.locator("#menu summary").click()
    if theme == "contrast":
        page.select_option("#theme", "contrast")
    check(page)
    page.keyboard.press("Escape")
    page.locator("#custom-open").click()
    page.locator("#sample .record > button").first.click()
    page.locator("#timeline-twin").click()
    page.locator("#confidence-twin").click()
    check(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_announcements_are_rare(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given a stream that never rests, then the live region changes at most once in 10 s."""
    page = pages.open(dashboard.url)
    page.evaluate(
        """() => {
            window.announced = [];
            const options = {childList: true, characterData: true, subtree: true};
            new MutationObserver(() => window.announced.push(performance.now()))
                .observe(document.getElementById("announcer"), options);
        }"""
    )
    for number in range(24):
        stream.say(Said(f"record {number}"))
        page.wait_for_timeout(500)
    times = page.evaluate("window.announced")
    assert len(times) >= 1
    assert all(later - earlier >= 9_900 for earlier, later in pairwise(times))
