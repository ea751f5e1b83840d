"""Which texts share a forward pass. Pure.

A padded pass costs rows x longest row and a little beside, so a window of texts is sorted by length and cut
where the budget of that product is used up, or where the padding outweighs what another pass would cost. An
engine that does not pad is cut by the sum of the lengths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS: Final = 4_096
"""Rows of one pass, whatever the tokens: bounds what an engine keeps per row."""


def plan(lengths: Sequence[int], max_tokens: int, *, padding: int | None) -> list[list[int]]:
    """Groups the indices of `lengths`, in tokens, into batches of at most `max_tokens` and MAX_ROWS.

    `padding` is how much of it a batch may hold, in tokens; it counts as tokens do. None: rows are not padded.
    Every index is in exactly one batch. Longest first, so that a batch that does not fit the device fails at
    once and not at the end, and so that the passes that run last are short. A text longer than the budget
    makes a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batches: list[list[int]] = []
    longest = room = spare = 0
    for index in order:
        length = max(1, lengths[index])
        cost, waste = (length, 0) if padding is None else (longest, longest - length)
        if not batches or cost > room or waste > spare or len(batches[-1]) >= MAX_ROWS:
            batches.append([])
            longest = cost = length
            room, spare, waste = max_tokens, padding or 0, 0
        batches[-1].append(index)
        room -= cost
        spare -= waste
    return batches


def cost(lengths: Sequence[int], *, pads: bool = True) -> int:
    """Tokens that a pass over rows of these lengths computes."""
    return len(lengths) * max(lengths, default=0) if pads else sum(lengths)
