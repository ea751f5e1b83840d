"""Texts as the model reads them, and the one call of the Rust tokenizer that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Encoding, Tokenizer

    from shared.inference.engines.base import Ids


class TokenizerFailed(Exception):  # noqa: N818 - a state that is handled, not an end
    """The tokenizer raised; its message is the error's name, never the text."""


@dataclass(slots=True)
class TokenRow:
    """One text as the model reads it."""

    ids: Ids
    truncated: bool

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.ids)


def encode(tokenizer: Tokenizer, texts: Sequence[str], *, special_tokens: bool = True) -> list[Encoding]:
    """Encodes all texts, in their order; raises TokenizerFailed where it cannot do so with one of them."""
    try:
        return [*tokenizer.encode_batch_fast(texts, add_special_tokens=special_tokens)]
    except Exception as error:  # noqa: BLE001 - tokenizers raises nothing more exact
        raise TokenizerFailed(type(error).__name__) from None


def rows_of(flat: Ids, lengths: Iterable[int], truncated: Iterable[bool]) -> list[TokenRow]:
    """Cuts one array, in which the ids of several texts follow each other, into their rows."""
    rows: list[TokenRow] = []
    end = 0
    for length, was in zip(lengths, truncated, strict=True):
        start, end = end, end + length
        rows.append(TokenRow(flat[start:end], was))
    return rows
