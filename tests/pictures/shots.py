"""The five views of the page, each of which answers one question, as small PNG files."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from playwright.sync_api import Browser

COLOURS: Final = 128
"""Of a picture's palette: few enough for 300 kB, more than the page has."""
SETTLE_MS: Final = 3_000
"""The page draws a frame twice a second, and asks for the texts of the sample after it."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A view of the page."""

    name: str
    parts: tuple[str, ...] = ()
    """Ids of the panels in the picture, which follow each other on the page. Default: what a screen shows."""
    width: int = 1920
    height: int = 1080
    theme: Any = "light"
    query: Mapping[str, str] = field(default_factory=dict)


def take(shots: list[Shot], url: str, folder: Path) -> None:
    """Writes each picture as NAME.png into the folder."""
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shot in shots:
            _save(_picture(browser, shot, url), folder / f"{shot.name}.png")
        browser.close()


def _picture(browser: Browser, shot: Shot, url: str) -> bytes:
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme=shot.theme,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.locator("#headline .interval").wait_for()
    page.locator("#spans button", has_text="1 h").click()
    for name, value in shot.query.items():
        page.select_option(f"#{name}", value)
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(SETTLE_MS)
    boxes = [page.locator(f"#{part}").bounding_box() for part in shot.parts]
    found = [box for box in boxes if box is not None]
    if not found:
        taken = page.screenshot()
    else:
        top = min(box["y"] for box in found) - 12
        bottom = max(box["y"] + box["height"] for box in found) + 12
        left = min(box["x"] for box in found) - 12
        right = max(box["x"] + box["width"] for box in found) + 12
        clip: Any = {"x": max(left, 0), "y": max(top, 0), "width": right - max(left, 0), "height": bottom - top}
        taken = page.screenshot(full_page=True, clip=clip)
    context.close()
    return taken


def _save(taken: bytes, path: Path) -> None:
    image = Image.open(io.BytesIO(taken)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
