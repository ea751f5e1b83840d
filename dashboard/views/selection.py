"""What a viewer has chosen to see: a stretch of time and filters, as the query of a request."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dashboard.window.sums import WIDTHS

MAX_SPAN_S: Final = 48 * 3_600
MAX_POINTS: Final = 400
"""Buckets of a chart at most: the finest width that stays below is taken."""
# 9999-12-31: JavaScript and Python both write it as a date.
_END_S: Final = 253_402_300_799

Name = Annotated[str, Field(max_length=450)]


class Selection(BaseModel):
    """Times in whole epoch seconds. Without `start` and `end`, the last `span` seconds up to now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    span: int = Field(default=300, ge=60, le=MAX_SPAN_S)
    start: int | None = Field(default=None, ge=0, le=_END_S)
    end: int | None = Field(default=None, ge=0, le=_END_S)
    label: Name = ""
    topic: Name = ""
    model: Name = ""
    group: Name = ""
    text: Annotated[str, Field(max_length=200)] = ""
    """Texts of the sample must hold it, in any case."""

    @model_validator(mode="after")
    def _a_stretch(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("give start and end, or neither")
        if self.start is not None and self.end is not None and not 1 <= self.end - self.start <= MAX_SPAN_S:
            raise ValueError(f"end must be 1 to {MAX_SPAN_S} s after start")
        return self


class Stretch(NamedTuple):
    """Buckets of one width."""

    level: int
    """Which of WIDTHS."""
    first: int
    """Number of the first bucket."""
    buckets: int

    @property
    def width_s(self) -> int:
        """Seconds of a bucket."""
        return WIDTHS[self.level][0]

    @property
    def start_s(self) -> int:
        """Where it begins, in epoch seconds."""
        return self.first * self.width_s

    @property
    def end_s(self) -> int:
        """Where it ends."""
        return (self.first + self.buckets) * self.width_s

    @property
    def before(self) -> Stretch:
        """As many buckets before it."""
        return self._replace(first=self.first - self.buckets)


def stretch_of(selection: Selection, now_s: float) -> Stretch:
    """The buckets of a selection: of the finest width with at most MAX_POINTS of them."""
    end_s = float(now_s if selection.end is None else selection.end)
    start_s = end_s - selection.span if selection.start is None else float(selection.start)
    level = len(WIDTHS) - 1
    for number, (width_s, slots) in enumerate(WIDTHS):
        if (end_s - start_s) / width_s <= MAX_POINTS and start_s >= now_s - (slots - 120 / width_s) * width_s:
            level = number
            break
    width_s = WIDTHS[level][0]
    # The bucket of now is part of the stretch, though it is not full yet.
    last = int(end_s // width_s) if selection.end is None else int(-(-end_s // width_s)) - 1
    count = max(1, round((end_s - start_s) / width_s))
    return Stretch(level, last - count + 1, count)
