"""A chart with two axes, built as an SVG tree, which escapes all texts in it.

A chart is 360 units wide, about the width of a phone, so that its letters are never smaller than 9 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from markupsafe import Markup

from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.evaluation.html.charts.axis import Axis

WIDTH: Final = 360
HEIGHT: Final = 264
LEFT: Final = 46
RIGHT: Final = 12
TOP: Final = 10
BOTTOM: Final = 40
LEGEND_LINE: Final = 17
SERIES: Final = 6
"""Colours of the style; each has its own dashes, so that lines differ without colour."""
_CHAR: Final = 6.2  # mean width of a character of the font, for the legend

Point = tuple[float, float]


class Plot:
    """Draws points and lines given in the values of its axes."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x = x
        self._y = y
        self._legend: list[tuple[str, str]] = []
        """Style and name of each entry."""
        self._svg = ET.Element("svg", {"role": "img", "focusable": "false"})
        self._draw_axes()

    def line(self, name: str, series: int, points: Sequence[Point], *, marks: bool = False) -> None:
        """A line with an entry in the legend."""
        self._legend.append((f"curve {_dashed(series)}", name))
        self._path(points, f"curve {_dashed(series)}")
        if marks:
            for point in points:
                self._circle(point, f"mark {_colour(series)}", 3)

    def reference(self, points: Sequence[Point]) -> None:
        """A dotted grey line, such as that of chance."""
        self._path(points, "reference")

    def marks(self, name: str, series: int, points: Sequence[Point], *, hollow: bool = False) -> None:
        """Single points with an entry in the legend."""
        style = f"{'hollow' if hollow else 'mark'} {_colour(series)}"
        self._legend.append((style, name))
        for point in points:
            self._circle(point, style, 3.5)

    def columns(self, points: Sequence[Point], width: float, series: int) -> None:
        """Faint columns from the lower end of the axis, each centred at its x."""
        for x, y in points:
            left, right = self._at(x - width / 2, y)[0], self._at(x + width / 2, y)[0]
            top, bottom = self._at(x, y)[1], self._at(x, self._y.low)[1]
            size = {"x": _n(left), "y": _n(top), "width": _n(right - left), "height": _n(bottom - top)}
            ET.SubElement(self._svg, "rect", {"class": f"bar faint {_colour(series)}", **size})

    def markup(self, description: str) -> Markup:
        """The SVG; the description is its accessible name."""
        rows = self._draw_legend()
        self._svg.set("viewBox", f"0 0 {WIDTH} {HEIGHT + rows * LEGEND_LINE}")
        return to_markup(self._svg, description)

    def _draw_axes(self) -> None:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for tick in self._y.ticks:
            y = self._at(self._x.low, tick)[1]
            _line(self._svg, "grid", (LEFT, y), (right, y))
            _text(self._svg, (LEFT - 6, y + 3.5), self._y.shown(tick), "end", "tick")
        for tick in self._x.ticks:
            x = self._at(tick, self._y.low)[0]
            _line(self._svg, "axis", (x, bottom), (x, bottom + 4))
            _text(self._svg, (x, bottom + 15), self._x.shown(tick), "middle", "tick")
        _line(self._svg, "axis", (LEFT, bottom), (right, bottom))
        _text(self._svg, ((LEFT + right) / 2, HEIGHT - 8), self._x.label, "middle")
        turned = _text(self._svg, (0, 0), self._y.label, "middle")
        turned.set("transform", f"translate(11 {_n((TOP + bottom) / 2)}) rotate(-90)")

    def _draw_legend(self) -> int:
        """Writes the legend below the chart; returns its number of lines."""
        x, row = float(LEFT), 0
        for style, whole in self._legend:
            name = shortened(whole)
            width = 26 + _CHAR * len(name) + 10
            if x > LEFT and x + width > WIDTH:
                x, row = float(LEFT), row + 1
            y = HEIGHT + 8 + row * LEGEND_LINE
            if style.startswith("curve"):
                _line(self._svg, style, (x, y), (x + 20, y))
            else:
                self._dot(x + 10, y, style, 3.5)
            _text(self._svg, (x + 26, y + 4), name, "start")
            x += width
        return row + 1 if self._legend else 0

    def _at(self, x: float, y: float) -> Point:
        width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + self._x.share(x) * width, TOP + (1 - self._y.share(y)) * height

    def _path(self, points: Sequence[Point], style: str) -> None:
        places = [self._at(*point) for point in points]
        steps = " ".join(f"{'L' if index else 'M'}{_n(x)} {_n(y)}" for index, (x, y) in enumerate(places))
        if steps:
            ET.SubElement(self._svg, "path", {"class": style, "d": steps})

    def _circle(self, point: Point, style: str, radius: float) -> None:
        self._dot(*self._at(*point), style, radius)

    def _dot(self, x: float, y: float, style: str, radius: float) -> None:
        ET.SubElement(self._svg, "circle", {"class": style, "cx": _n(x), "cy": _n(y), "r": _n(radius)})


def bar_chart(bars: Sequence[tuple[str, float, str]], *, label: str, description: str) -> Markup:
    """Horizontal bars of name, share 0 to 1 and shown value, in order; `label` says what they measure."""
    svg = ET.Element("svg", {"role": "img", "focusable": "false"})
    left, right, height = 118, WIDTH - 48, 24
    for row, (name, value, shown) in enumerate(bars):
        middle = TOP + row * height + height / 2
        _text(svg, (left - 8, middle + 4), shortened(name, 17), "end")
        size = {"x": _n(left), "y": _n(middle - 7), "height": "14"}
        width = (right - left) * min(max(value, 0.0), 1.0)
        ET.SubElement(svg, "rect", {"class": "bar s0", "width": _n(width), **size})
        _text(svg, (left + width + 5, middle + 4), shown, "start")
    bottom = TOP + len(bars) * height
    _line(svg, "axis", (left, TOP), (left, bottom))
    _text(svg, ((left + right) / 2, bottom + 18), label, "middle")
    svg.set("viewBox", f"0 0 {WIDTH} {bottom + 26}")
    return to_markup(svg, description)


def to_markup(svg: ET.Element, description: str) -> Markup:
    """The tree as text for an HTML page; texts in it are escaped here."""
    svg.set("aria-label", escaped(description))
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree has escaped all of it


def shortened(name: str, chars: int = 24) -> str:
    """A name that fits into a chart; the tables have it whole."""
    return name if len(name) <= chars else name[: chars - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _colour(series: int) -> str:
    return f"s{series % SERIES}"


def _dashed(series: int) -> str:
    return f"s{series % SERIES} d{series % SERIES}"


def _line(svg: ET.Element, style: str, start: Point, end: Point) -> None:
    (x1, y1), (x2, y2) = start, end
    ET.SubElement(svg, "line", {"class": style, "x1": _n(x1), "y1": _n(y1), "x2": _n(x2), "y2": _n(y2)})


def _text(svg: ET.Element, at: Point, text: str, anchor: str, style: str = "") -> ET.Element:
    x, y = at
    place = {"x": _n(x), "y": _n(y), "text-anchor": anchor, **({"class": style} if style else {})}
    element = ET.SubElement(svg, "text", place)
    element.text = escaped(text)
    return element


def _n(value: float) -> str:
    """A coordinate with a tenth of a unit, which no screen shows finer."""
    return f"{value:.1f}".removesuffix(".0")
