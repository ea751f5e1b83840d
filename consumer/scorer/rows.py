"""Texts as the model reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.scorer.engine import Ids


@dataclass(slots=True)
class TokenRow:
    """One text as the model reads it."""

    ids: Ids
    truncated: bool

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.ids)


def rows_of(flat: Ids, lengths: Iterable[int], truncated: Iterable[bool]) -> list[TokenRow]:
    """Cuts one array, in which the ids of several texts follow each other, into their rows."""
    rows: list[TokenRow] = []
    end = 0
    for length, was in zip(lengths, truncated, strict=True):
        start, end = end, end + length
        rows.append(TokenRow(flat[start:end], was))
    return rows
