"""Numbers as people read them at a glance, at most 10 characters wide, and as a line of blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE: Final = "-"
BLOCKS: Final = "▁▂▃▄▅▆▇█"
_LARGE: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def count(value: float | None) -> str:
    """A count or a rate: three digits at least, and a power of ten from 10,000 on."""
    if value is None or not math.isfinite(value):
        return NONE
    for size, sign in _LARGE:
        if value >= size:
            unit = 1e3 if sign == "k" else size
            return f"{value / unit:.3g} {sign}" if value < 1e3 * unit else f"{value / unit:.0e} {sign}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"  # noqa: PLR2004


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None or not math.isfinite(value):
        return NONE
    for size, sign in _SPANS:
        if value >= 2 * size:
            return f"{value / size:.0f} {sign}" if value < 1e6 * size else f"{value / size:.0e} {sign}"
    return f"{value * 1e3:.0f} ms" if 0 < value < 1 else f"{value:.3g} s"


def size(value: float | None) -> str:
    """Bytes, in powers of ten."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 1e3:  # noqa: PLR2004
        return f"{value:.0f} B"
    unit, sign = next(
        ((unit, sign) for unit, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M")) if value >= unit), (1e3, "k")
    )
    return f"{value / unit:.3g} {sign}B" if value < 1e3 * unit else f"{value / unit:.0e} {sign}B"


def percent(value: float | None) -> str:
    """A share; what is not 0 never reads as 0."""
    if value is None or not math.isfinite(value):
        return NONE
    hundredth = 100 * value
    if 0 < hundredth < 0.1:  # noqa: PLR2004
        return "<0.1 %"
    return f"{hundredth:.1f} %" if 0 < hundredth < 10 else f"{hundredth:.0f} %"  # noqa: PLR2004


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last `width` values as blocks from 0 to the largest; a blank for None."""
    shown = (
        [value if value is not None and math.isfinite(value) else None for value in values[-width:]]
        if width > 0
        else []
    )
    top = max((value for value in shown if value is not None), default=0.0)
    return "".join(
        " " if value is None else BLOCKS[0 if top <= 0 else min(7, int(8 * (max(value, 0.0) / top)))]
        for value in shown
    )
