"""Texts to token ids through a cache of words: most words of a stream have occurred before.

A BERT tokenizer processes each word between two spaces on its own, so the ids of a text are the concatenated ids
of its words. The ids of words are cached; only new words reach the tokenizer.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.inference.tokenization.rows import encode, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tokenizers import Tokenizer

    from shared.inference.tokenization.rows import TokenRow
    from shared.inference.tokenization.unknown import UnknownToken

WORDS: Final = 131_072
"""Maximum words in the cache, about 16 MB; with more, the cache is cleared."""
WORD_CHARS: Final = 64
"""Longer words are not cached."""

_ID_BYTES: Final = np.dtype(np.int32).itemsize


class WordTokeniser:
    """Used by one thread at a time."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, unknown: UnknownToken) -> None:
        """`is_by_words` must hold for the tokenizer; rows have at most `max_tokens`, special tokens included."""
        self._tokenizer = tokenizer
        self._unknown = unknown
        self._before, self._after = _special_tokens(tokenizer)
        self._room = max_tokens * _ID_BYTES - len(self._before) - len(self._after)
        self._ids: dict[str, bytes] = {}
        """Token ids by word, as bytes of int32, without special tokens."""

    def rows(self, texts: Sequence[str]) -> list[TokenRow]:
        """Tokenises texts, in input order; raises TokenizerFailed."""
        # Not at punctuation too: in Python that takes longer than the new words that it would save (decision 14).
        words = [text.split(" ") for text in texts]
        new = set(chain.from_iterable(words)).difference(self._ids)
        self._learn([*new])
        ids_of = self._ids.__getitem__
        found = [b"".join(map(ids_of, of_text)) for of_text in words]
        # After the lookups, which need the long words too.
        self._forget(new)
        rows = [self._before + ids[: self._room] + self._after for ids in found]
        # A bytearray, since torch requires writable arrays.
        flat = np.frombuffer(bytearray().join(rows), np.int32)
        lengths = [len(row) // _ID_BYTES for row in rows]
        return rows_of(flat, lengths, [len(ids) > self._room for ids in found], self._unknown)

    def _learn(self, words: Sequence[str]) -> None:
        encodings = encode(self._tokenizer, words, special_tokens=False)
        for word, encoding in zip(words, encodings, strict=True):
            self._ids[word] = _bytes(encoding.ids)

    def _forget(self, new: Iterable[str]) -> None:
        for word in new:
            if len(word) > WORD_CHARS:
                del self._ids[word]
        if len(self._ids) > WORDS:
            # Costs a batch or two of new words.
            self._ids.clear()


def is_by_words(parts: Mapping[str, Any]) -> bool:
    """Whether the tokenizer of this JSON processes each word between spaces independently of the others."""
    kinds = [(parts[part] or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and not any(
        " " in token["content"] or token["lstrip"] or token["rstrip"] for token in parts["added_tokens"]
    )


def _special_tokens(tokenizer: Tokenizer) -> tuple[bytes, bytes]:
    """The special token ids before and after the ids of a text, as bytes of int32."""
    encoding = tokenizer.encode("a")
    before = encoding.special_tokens_mask.index(0)
    return _bytes(encoding.ids[:before]), _bytes(encoding.ids[before + 1 :])


def _bytes(ids: Sequence[int]) -> bytes:
    return np.array(ids, np.int32).tobytes()
