"""200 hostile texts are shown as what they are: no dialog, no violation of the policy, no broken layout."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING, Final

from playwright.sync_api import expect

from tests.browser.stream import Said
from tests.browser.waiting import until_read

if TYPE_CHECKING:
    from tests.browser.conftest import Dashboard, Pages
    from tests.browser.stream import Stream

TAGS: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    '"><iframe src="javascript:alert(1)">',
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "<style>body{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=//x.example'>",
    "{{constructor.constructor('alert(1)')()}}",
    "<!--",
    "&lt;script&gt;",
    "<a href=//x.example>click</a>",
    "data: {}\n\nevent: frame\ndata: {}\n\n",
)
DIRECTIONS: Final = ("\u202e", "\u2066", "\u2067", "\u2068", "\u202a", "\u202b", "\u202d", "\u200f")
OTHERS: Final = (
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "zero\u200bwidth\ufeff\u2060",
    "\x1b[31mred\x1b]0;title\x07",
    "nul\x00 and bell\x07",
    "z\u0351\u036b\u0343\u036a\u0302" * 50,
    "line\u2028separator\u2029",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a" * 100_000,
    "wide " * 20_000,
    "\ufdfd" * 300,
    "\u3164\u115f",
)
FORMULAS: Final = (
    '=HYPERLINK("//x.example")',
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    " =1+1",
    "\uff1d1",
    "=cmd|' /C calc'!A0",
)


def hostile_texts() -> list[str]:
    """All of the above and mixtures of them, 200 in all."""
    chance = random.Random(16)  # noqa: S311 - a test's data
    every = [*TAGS, *(f"abc{mark}def" for mark in DIRECTIONS), *OTHERS, *FORMULAS]
    short = [text for text in every if len(text) < 1_000]
    while len(every) < 200:
        every.append(chance.choice(FORMULAS) + "".join(chance.choices(short, k=3)))
    return every


def test_hostile_texts_are_shown_literally(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given 200 hostile texts and groups, then each is there literally, and nothing else happens."""
    texts = hostile_texts()
    page = pages.open(dashboard.url, width=360)
    for start in range(0, len(texts), 25):
        some = texts[start : start + 25]
        page.wait_for_timeout(1_000)  # of one second at most recent.PER_SECOND join the sample
        stream.say(*(Said(text, headers={"channel": text[:40]}) for text in some))
        until_read(page, start + len(some))
        expect(page.locator("#headline .interval")).to_contain_text(f" {start + len(some)} results")
        expect(page.locator("#sample")).not_to_contain_text("reading the text")
        shown = page.locator("#sample .record").evaluate_all(
            """records => records.map((one) => {
                const text = one.querySelector(".said > bdi")?.cloneNode(true);
                for (const mark of text?.querySelectorAll(".codepoint") ?? []) {
                    mark.replaceWith(String.fromCodePoint(parseInt(mark.textContent.slice(2), 16)));
                }
                return text?.textContent;
            })"""
        )
        assert sorted(shown) == sorted(text[:2_000] for text in some)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("main script, main img, main iframe, main a[href^='javascript']").count() == 0

    assert page.title() == "+1.00 Sentiment"
    rows = list(csv.reader(io.StringIO(page.request.get(f"{dashboard.url}api/sample.csv").text(), newline="")))
    assert len(rows) == 201
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert {row[-1].removeprefix("'") for row in rows[1:]} == {text[:2_000] for text in texts}


def test_hostile_names_are_shown_literally(stream: Stream, dashboard: Dashboard, pages: Pages) -> None:
    """Given labels and models that are markup, then headline, legend, tables and filters show them literally."""
    stream.say(*(Said("ok", label=tag, model=tag) for tag in TAGS[:6]))
    page = pages.open(dashboard.url)
    expect(page.locator("#headline")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#legend")).to_contain_text("<svg onload=alert(1)>")
    page.locator("#split-by button", has_text="Model").click()
    expect(page.locator("#split-table")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("main script, main img, main svg[onload]").count() == 0
