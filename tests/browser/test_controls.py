"""What a viewer does: pause, filter, choose a time, share a link, download, and all of it by keyboard."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.stream import Said
from tests.browser.waiting import until_read

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Dashboard, Pages
    from tests.browser.stream import Stream


def opened(stream: Stream, dashboard: Dashboard, pages: Pages, *, before: int = 0) -> Page:
    """A page with ten records of two labels and two channels."""
    stream.say(
        *(Said(f"good {n}", headers={"channel": "app"}) for n in range(6)),
        *(Said(f"bad {n}", label="negative", headers={"channel": "web"}) for n in range(4)),
    )
    page = pages.open(dashboard.url)
    expect(page.locator("#sample .record")).to_have_count(10 + before)
    expect(page.locator("#sample")).not_to_contain_text("reading the text")
    return page


def test_pause_holds_the_page_and_goes_on(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given a paused page, when more comes, then it is there once the page goes on, and not before."""
    page = opened(stream, dashboard, pages)
    page.keyboard.press("p")
    expect(page.locator("#state-words")).to_have_text("Paused")
    stream.say(Said("later"))
    until_read(page, 11)
    page.wait_for_timeout(1_500)
    expect(page.locator("#sample .record")).to_have_count(10)
    page.keyboard.press("p")
    expect(page.locator("#sample .record").first).to_contain_text("later")


def test_filters_by_label_text_and_group(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given filters, then sample, figures and address follow, and Escape clears them."""
    page = opened(stream, dashboard, pages)
    page.select_option("#label", "negative")
    expect(page.locator("#sample .record")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("bad 2")
    expect(page.locator("#sample .record")).to_have_count(1)
    expect(page).to_have_url(re.compile("label=negative&text=bad\\+2"))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#sample .record")).to_have_count(10)
    page.locator("#split-by button", has_text="channel").click()
    page.locator("#split-table").get_by_role("button", name="web").click()
    expect(page.locator("#headline")).to_contain_text("4 results")
    expect(page.locator("#chips")).to_contain_text("channel: web")


def test_a_link_carries_the_view(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given a view with time and filters, when its address is opened elsewhere, then that shows the same."""
    page = opened(stream, dashboard, pages)
    page.keyboard.press("2")
    page.select_option("#label", "negative")
    expect(page.locator("#sample .record")).to_have_count(4)
    other = pages.open(page.url)
    expect(other.locator("#sample .record")).to_have_count(4)
    expect(other.locator("#spans button[aria-pressed=true]")).to_have_text("1 h")
    expect(other.locator("#label")).to_have_value("negative")


def test_dragging_chooses_a_time(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given the chart, when its right half is dragged over, then only that time is counted."""
    stream.say(*(Said(f"old {n}", age_s=250, label="negative") for n in range(7)))
    page = opened(stream, dashboard, pages, before=7)
    expect(page.locator("#headline")).to_contain_text("17 results")
    box = page.locator("#shares .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page.locator("#chips")).to_contain_text("Time:")
    expect(page.locator("#headline")).to_contain_text("10 results")
    expect(page.locator("#state")).to_have_attribute("data-state", "live")


def test_downloads_hold_what_the_page_shows(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given a view, when both files are downloaded, then their figures are those of the page."""
    page = opened(stream, dashboard, pages)
    page.locator("#menu summary").click()
    found = {}
    for name in ("series-csv", "sample-csv"):
        with page.expect_download() as download:
            page.locator(f"#{name}").click()
        found[name] = list(csv.reader(io.StringIO(download.value.path().read_text(), newline="")))

    assert found["series-csv"][0] == ["time", "seconds", "negative", "positive"]
    assert sum(float(row[2]) for row in found["series-csv"][1:]) == 4
    assert {row[-1] for row in found["sample-csv"][1:]} >= {"good 0", "bad 3"}


def test_the_whole_page_by_keyboard(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given a keyboard only, then every control has the focus once, and a record opens and closes."""
    page = opened(stream, dashboard, pages)
    page.keyboard.press("p")
    controls = page.locator(
        "button:visible, select:visible, input:visible, summary:visible, [tabindex='0']:visible"
    )
    reached = set()
    for _ in range(controls.count() + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    every = controls.evaluate_all("found => found.map((one) => [...document.querySelectorAll('*')].indexOf(one))")
    assert set(every) <= reached
    record = page.locator("#sample .record > button").first
    record.focus()
    page.keyboard.press("Enter")
    expect(record).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#sample .more")).to_contain_text("partition 0, offset")
    page.keyboard.press("Enter")
    expect(page.locator("#sample .more")).to_have_count(0)


def test_an_opened_text_says_that_it_was_read_in_segments(
    stream: Stream, dashboard: Dashboard, pages: Pages
) -> None:
    """Given a long text, when its record is opened, then the page says in how many segments it was read."""
    page = opened(stream, dashboard, pages)
    stream.say(Said("a long review", segments=4))
    record = page.locator("#sample .record", has_text="a long review")
    record.locator("> button").click()
    expect(record.locator(".more")).to_contain_text("long: read in 4 segments")


def test_charts_have_a_table(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given the buttons Table, then the time line and the histogram are tables with the same figures."""
    page = opened(stream, dashboard, pages)
    page.locator("#timeline-twin").click()
    expect(page.locator("#timeline-table tbody tr").first).to_contain_text("%")
    expect(page.locator("#shares")).to_be_hidden()
    page.locator("#confidence-twin").click()
    expect(page.locator("#confidence tbody")).to_contain_text("0.90 to 0.95")
