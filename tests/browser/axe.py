"""axe-core, run in the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE: Final = Path(os.environ.get("AXE", ".cache/axe/package/axe.min.js"))


def check(page: Page) -> None:
    """Runs axe with all its rules of WCAG 2.2 AA and its best practices."""
    # As evaluated code, which the policy of the page does not concern.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]][:4]) for one in found] == []
