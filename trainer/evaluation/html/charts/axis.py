"""The range of an axis, its ticks and how its numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

TICKS: Final = 5
"""About as many as fit on a chart that is 360 pixels wide."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis."""

    label: str
    """With the unit, if there is one."""
    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """The position of a value, 0 to 1; values outside are moved to the nearest end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def shown(self, value: float) -> str:
        """A value, with the digits that tell the ticks apart."""
        step = self.ticks[1] - self.ticks[0]
        return f"{value:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def unit_axis(label: str) -> Axis:
    """From 0 to 1, for shares and probabilities."""
    return Axis(label, 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))


def axis_for(label: str, values: Sequence[float], *, from_zero: bool = False, whole: bool = False) -> Axis:
    """An axis that covers all values and begins and ends at a tick. `whole`: ticks at whole numbers only."""
    low = min(values, default=0.0)
    low, high = (min(0.0, low) if from_zero else low), max(values, default=1.0)
    if high - low < 1e-9 * max(abs(high), 1.0):  # one value, or all equal
        low, high = low - (0 if from_zero else 0.5), high + 0.5
    step = _nice((high - low) / TICKS)
    if whole:
        step = max(1.0, math.ceil(step))
    # 0.3 / 0.1 is a little below 3; a value that is really beyond that tick gets one more.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    first -= round(first * step, 12) > low
    last += round(last * step, 12) < high
    ticks = tuple(round(index * step, 12) for index in range(first, max(last, first + 1) + 1))
    return Axis(label, ticks[0], ticks[-1], ticks)


def _nice(step: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1.0, 2.0, 5.0, 10.0) if nice * power >= step * (1 - 1e-9))
