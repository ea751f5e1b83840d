"""What a page is made of. Everything but a chart is plain text here; the template escapes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Shaded:
    """A cell of a table whose background shows a share, 0 to 1, behind the text."""

    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Long:
    """A cell with a text of several lines."""

    long: str


Cell = str | Shaded | Long


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True)
class Warn:
    """A doubt about the model, which nobody should overlook."""

    kind: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A command line to copy."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Headline figures in a row."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its heading."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    text_columns: int = 1
    """The first columns, which are aligned to the left; the others hold numbers."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its numbers as a table, for people who cannot see it or want to copy them."""

    title: str
    svg: Markup
    description: str
    """What the chart shows, in words, for screen readers and below the title."""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side where the window is wide enough."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


Block = Text | Warn | Code | Tiles | Table | Charts


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with an entry in its table of contents."""

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
