"""Renders sections into one HTML file: styles and charts are in it, and nothing is loaded from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from trainer.evaluation.html.blocks import Section


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page; the same arguments give the same bytes.

    Every string may be hostile: it is escaped for HTML, and its control characters and direction marks become
    visible escapes.
    """
    return _template().render(title=title, lead=lead, sections=sections)


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((folder / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return environment.get_template("page.html.j2")


def _harmless(value: Any) -> Any:
    """NUL and lone surrogates cannot be in an HTML file, and a direction mark reverses the text after it."""
    return escaped(value) if type(value) is str else value
