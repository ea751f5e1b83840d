"""The shapes of padded passes, few enough to probe each of them before it serves. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

NARROWEST: Final = 3
"""Tokens of the shortest text: two special ones and one of its own."""
EVERY_WIDTH_TO: Final = 64
"""Up to this width a pass is as wide as its longest row. Above it, there are STEPS widths from each power of two
to the next, for 4 % of padding on average: 24 widths of 65 to 512 tokens instead of 448."""
STEPS: Final = 8


class PassShape(NamedTuple):
    """Rows and width of a pass, padding included."""

    rows: int
    width: int
    avoids: bool
    """Whether it is larger than necessary, because a shape is avoided."""


@dataclass(frozen=True, slots=True)
class PassShapes:
    """The allowed shapes of passes."""

    widths: tuple[int, ...] = ()
    """Ascending; a pass with a row longer than the last is as wide as that row."""
    avoided_widths: frozenset[int] = frozenset()
    avoided_rows: frozenset[int] = frozenset()

    def fit(self, rows: int, tokens: int) -> PassShape:
        """The smallest allowed shape for `rows` rows, the longest of which has `tokens` tokens."""
        usual = next((width for width in self.widths if width >= tokens), tokens)
        width = next(
            (width for width in self.widths if width >= usual and width not in self.avoided_widths), usual
        )
        laid_out = rows
        while laid_out in self.avoided_rows:
            laid_out += 1
        return PassShape(laid_out, width, (laid_out, width) != (rows, usual))


def pass_widths(longest: int) -> tuple[int, ...]:
    """The widths for rows of up to `longest` tokens, ascending."""
    widths = list(range(NARROWEST, min(EVERY_WIDTH_TO, longest) + 1))
    while widths[-1] < longest:
        step = 1 << (widths[-1].bit_length() - 1)  # the power of two at or below the width
        widths.append(min(longest, widths[-1] + step // STEPS))
    return tuple(widths)
