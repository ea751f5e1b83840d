"""The chart of a comparison: quality against rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from shared.terminal import escaped
from trainer.comparison.table import TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from trainer.comparison.table import Comparison

BEST, OTHERS = "#D55E00", "#0072B2"
DOT: Final = 14.0
"""Pixels of the square of a point."""
Side = Literal["left", "right"]
CLOSE: Final = 100.0
"""Ratio of the rates from which only powers of ten have a number, since those between would cover each other."""
MAX_NAME: Final = 40
"""Characters of a name that are shown."""
PLACES: Final[tuple[tuple[tuple[float, float], Side], ...]] = tuple(
    ((side * 7.0, step * 11.0 - 3.0), "left" if side > 0 else "right")
    for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5)
    for side in (1, -1)
)
"""Offsets in points of a name from its point, and its alignment, the nearest first."""
STYLE: Final[dict[Any, object]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150,
    "text.parse_math": False,  # a name may hold a dollar sign
}


def draw(found: Comparison, path: Path) -> None:
    """Writes a PNG: one point with its interval for each model that has the statistic."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 4))
        points: list[tuple[str, float, float]] = []
        for row in found.models:
            quality = row.statistics[found.chosen_by]
            if quality is None:
                continue
            colour = BEST if row.name == found.best else OTHERS
            error = [[quality.value - quality.low], [quality.high - quality.value]]
            axes.errorbar(row.texts_per_s, quality.value, yerr=error, fmt="o", color=colour, capsize=2)
            points.append((escaped(row.name), row.texts_per_s, quality.value))
        axes.set_xscale("log")
        rates = [rate for _, rate, _ in points] or [1.0]
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(rates) < CLOSE * min(rates) else (1,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.15)
        axes.set_xlabel("texts a second, on this machine")
        axes.set_ylabel(f"{TITLES[found.chosen_by]}, {found.rows:,} test rows")
        axes.grid(visible=True, alpha=0.3)
        figure.tight_layout()
        name_points(axes, points)
        figure.savefig(path)
        plt.close(figure)


def name_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> list[Bbox]:
    """Writes the name of each point at the first of PLACES where it covers no other name and no point.

    Returns where the names are, in pixels; call it when axes and figure have their final size.
    """
    dots = [Bbox.from_bounds(x - DOT / 2, y - DOT / 2, DOT, DOT) for x, y in
            (axes.transData.transform((rate, value)) for _, rate, value in points)]  # fmt: skip
    taken: list[Bbox] = []
    for name, rate, value in points:
        shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
        text = axes.annotate(shown, (rate, value), xytext=(0, 0), textcoords="offset points")
        for place, side in PLACES:
            text.set_position(place)
            text.set_horizontalalignment(side)
            box = text.get_window_extent()
            if (
                axes.bbox.contains(*box.min)
                and axes.bbox.contains(*box.max)
                and not box.count_overlaps([*taken, *dots])
            ):
                break
        taken.append(box)
    return taken
