"""Groups texts into batches, one for each forward pass. Pure.

A padded pass costs rows x longest row and a small constant, so a window of texts is sorted by length and cut where
that product reaches the token budget, or where the padding costs more than another pass. For an engine that does
not pad, the sum of the lengths counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS: Final = 4_096
"""Maximum rows of one pass, independent of their tokens: limits what an engine keeps per row."""
ROWS_STEP: Final = 4
"""An engine prepares for each new shape: with OpenVINO and MiniLM on 2 cores that took 3 to 7 ms of the 50 ms of a
pass. With steps, 45,000 tweets gave half as many shapes, for 0.1 to 0.6 % more work."""


def make_batches(lengths: Sequence[int], max_tokens: int, *, padding: int | None) -> list[list[int]]:
    """Groups the indices of `lengths`, in tokens, into batches of at most `max_tokens` and MAX_ROWS.

    `padding` is the maximum padding of a batch, in tokens; it counts towards `max_tokens`. None: rows have none.
    Every index is in exactly one batch. Longest first, so that a batch that does not fit the device fails at
    once and not at the end, and so that the passes that run last are short. A text longer than the budget
    makes a batch of its own. A padded batch of more than ROWS_STEP rows has a multiple of ROWS_STEP rows.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    ordered = [max(1, lengths[index]) for index in order]
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        rows = _rows(ordered[start : start + MAX_ROWS], max_tokens, padding)
        batches.append(order[start : start + rows])
        start += rows
    return batches


def _rows(ordered: Sequence[int], max_tokens: int, padding: int | None) -> int:
    """The number of these lengths, longest first, that make one batch."""
    longest = ordered[0]
    room, spare, rows = max_tokens - longest, padding or 0, 1
    for length in ordered[1:]:
        cost, waste = (length, 0) if padding is None else (longest, longest - length)
        if cost > room or waste > spare:
            break
        room -= cost
        spare -= waste
        rows += 1
    return rows if padding is None or rows < ROWS_STEP else rows - rows % ROWS_STEP


def cost(lengths: Sequence[int], *, pads: bool = True) -> int:
    """Tokens that a pass over rows of these lengths computes."""
    return len(lengths) * max(lengths, default=0) if pads else sum(lengths)
