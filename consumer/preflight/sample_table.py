"""Prints a survey of the input as one table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.table import Column, Table

from shared.errors import InputDataError
from shared.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumer.preflight.sample import Survey

SHOWN: Final = 10
"""Rows of a group at most; the last adds up the others."""


def summary(found: Survey, asked: int, dlq_share: float) -> str:
    """One line; raises InputDataError if none of the records can be scored although they should be."""
    if not found.records:
        return f"no record{'' if asked == 1 else 's'} to look at yet"
    among = "" if found.records == asked else f" among the newest {asked:,} offsets"
    line = (
        f"{found.records:,} records{among}: {found.scored:,} would be scored, {found.dead_letters:,} "
        f"dead-lettered, {found.deletions:,} are deletions"
    )
    if found.dead_letters and not found.scored:
        raise InputDataError(f"{line}; compare format and text_field with the reasons below")
    if found.dead_letters > dlq_share * found.records:
        return f"{line}; with more than {dlq_share:.0%} (limits.dlq_share) dead-lettered, run ends"
    return line


def table(found: Survey, *, max_tokens: int, max_unknown_share: float) -> Table:
    """Every count of a survey, with its share of the records or of the scored texts."""
    grid = Table("", Column("records", justify="right"), Column("share", justify="right"), show_edge=False)
    _group(grid, "what becomes of them", _outcomes(found), found.records)
    _group(grid, "why not scored", dict(found.reasons.most_common()), found.records)
    _group(grid, "what the values look like", dict(found.looks.most_common()), found.records)
    _group(grid, "scored texts", _texts(found, max_tokens, max_unknown_share), found.scored)
    _group(grid, "their scripts", dict(found.scripts.most_common()), found.scored)
    return grid


def _outcomes(found: Survey) -> Mapping[str, int]:
    return {"scored": found.scored, "dead-lettered": found.dead_letters, "deletions": found.deletions}


def _texts(found: Survey, max_tokens: int, max_unknown_share: float) -> Mapping[str, int]:
    if not found.scored:
        return {}
    lengths = sorted(found.tokens)
    half, most = lengths[len(lengths) // 2], lengths[math.ceil(0.95 * len(lengths)) - 1]
    share = found.unknown_tokens / sum(lengths)
    return {
        f"tokens: median {half}, 95 % within {most}, at most {lengths[-1]}": found.scored,
        f"longer than {max_tokens} tokens, read in segments": found.segmented,
        "longer than the model reads, truncated": found.truncated,
        f"over {max_unknown_share:.0%} of the tokens unknown to the model ({share:.1%} of all)": found.unknown,
        "with an id that cannot be used": found.unusable_ids,
    }


def _group(grid: Table, title: str, counts: Mapping[str, int], whole: int) -> None:
    if not counts:
        return
    grid.add_section()
    grid.add_row(title, style="bold")
    for name, count in _most(counts):
        grid.add_row(printable(f"  {name}", max_chars=400), f"{count:,}", f"{count / whole:.1%}")


def _most(counts: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    rows = list(counts.items())
    if len(rows) <= SHOWN:
        return rows
    shown, others = rows[: SHOWN - 1], rows[SHOWN - 1 :]
    return [*shown, (f"{len(others)} others", sum(count for _, count in others))]
