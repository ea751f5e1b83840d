"""The chart of a comparison: quality against rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from shared.terminal import escaped
from trainer.comparison.table import TITLES

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.comparison.table import Comparison

BEST, OTHERS = "#D55E00", "#0072B2"
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
        for row in found.models:
            quality = row.statistics[found.chosen_by]
            if quality is None:
                continue
            colour = BEST if row.name == found.best else OTHERS
            error = [[quality.value - quality.low], [quality.high - quality.value]]
            # A bootstrap interval may leave out the value itself if nearly all rows are right.
            error = [[max(0.0, side[0])] for side in error]
            axes.errorbar(row.texts_per_s, quality.value, yerr=error, fmt="o", color=colour, capsize=2)
            axes.annotate(
                escaped(row.name), (row.texts_per_s, quality.value), xytext=(6, 4), textcoords="offset points"
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.15)
        axes.set_xlabel("texts a second, on this machine")
        axes.set_ylabel(f"{TITLES[found.chosen_by]}, {found.rows:,} test rows")
        axes.grid(visible=True, alpha=0.3)
        figure.tight_layout()
        figure.savefig(path)
        plt.close(figure)
