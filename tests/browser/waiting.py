"""Waiting inside of a page.

Playwright's own `wait_for_function` compiles its text in the page, which the policy of the page refuses.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVERY_MS: Final = 20


def until(page: Page, function: str, argument: Any = None, *, within_s: float = 15.0) -> None:
    """Returns once a JavaScript function is true."""
    deadline = time.monotonic() + within_s
    while not page.evaluate(function, argument):
        assert time.monotonic() < deadline, f"never true: {function} of {argument}"
        page.wait_for_timeout(EVERY_MS)


def until_read(page: Page, results: int) -> None:
    """Returns once the dashboard has read that many results."""
    until(page, "async (n) => (await (await fetch('/api/page')).json()).read.results === n", results)
