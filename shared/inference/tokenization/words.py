"""Texts to token ids by way of their words: a stream says mostly words that it has said before.

A tokenizer of BERT's kind treats what stands between two spaces by itself, so the ids of a text are the ids
of its words, one after the other. Words are remembered with their ids; only new ones reach the tokenizer.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.inference.tokenization.rows import encode, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenizers import Tokenizer

    from shared.inference.tokenization.rows import TokenRow

WORDS: Final = 131_072
"""How many are remembered, about 16 MB; with more, all are forgotten."""
WORD_CHARS: Final = 64
"""Longer words are not remembered."""

_ID_BYTES: Final = np.dtype(np.int32).itemsize


class WordTokeniser:
    """Used by one thread at a time."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Takes a tokenizer that `is_by_words` and truncates to `max_tokens`, special ones included."""
        self._tokenizer = tokenizer
        self._before, self._after = _special_tokens(tokenizer)
        self._room = max_tokens * _ID_BYTES - len(self._before) - len(self._after)
        self._ids: dict[str, bytes] = {}
        """By word; int32, without special tokens."""

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Tokenises texts, in their order; raises TokenizerFailed."""
        words = [text.split(" ") for text in texts]
        new = set(chain.from_iterable(words)).difference(self._ids)
        self._learn([*new])
        ids_of = self._ids.__getitem__
        found = [b"".join(map(ids_of, said)) for said in words]
        self._forget(new)
        rows = [self._before + ids[: self._room] + self._after for ids in found]
        # A bytearray, since torch insists on arrays that can be written to.
        flat = np.frombuffer(bytearray().join(rows), np.int32)
        return rows_of(flat, [len(row) // _ID_BYTES for row in rows], [len(ids) > self._room for ids in found])

    def _learn(self, words: Sequence[str]) -> None:
        encodings = encode(self._tokenizer, words, special_tokens=False)
        for word, encoding in zip(words, encodings, strict=True):
            self._ids[word] = _bytes(encoding.ids)

    def _forget(self, new: Iterable[str]) -> None:
        for word in new:
            if len(word) > WORD_CHARS:
                del self._ids[word]
        if len(self._ids) > WORDS:
            self._ids.clear()


def is_by_words(tokenizer: Tokenizer) -> bool:
    """Tells whether nothing that the tokenizer does reaches across a space."""
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    kinds = [(parts[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and not any(
        " " in token["content"] or token["lstrip"] or token["rstrip"] for token in parts["added_tokens"]
    )


def _special_tokens(tokenizer: Tokenizer) -> tuple[bytes, bytes]:
    """The ids that stand before and after those of any text."""
    encoding = tokenizer.encode("a")
    before = encoding.special_tokens_mask.index(0)
    return _bytes(encoding.ids[:before]), _bytes(encoding.ids[before + 1 :])


def _bytes(ids: Sequence[int]) -> bytes:
    return np.array(ids, np.int32).tobytes()
