"""Texts to token ids, with the Rust tokenizer of the model folder."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
from tokenizers import Tokenizer

from shared.errors import ArtifactError, ScorerError
from shared.inference.isolation import CONTROL
from shared.inference.tokenization.rows import TokenizerFailed, TokenRow, encode, rows_of, spans_of
from shared.inference.tokenization.segments import segments_of
from shared.inference.tokenization.unknown import UnknownToken
from shared.inference.tokenization.words import WordTokeniser, is_by_words
from shared.inference.types import Unscorable
from shared.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.model_folder.artifact import Artifact
    from shared.model_folder.manifest import LongTexts

log = structlog.get_logger()

FILE: Final = "tokenizer.json"
CHARS_PER_TOKEN: Final = 8
"""Of a long text the tokenizer first gets this many characters for each token of `max_tokens`; English has 4 to 5.
Otherwise it would read the whole text before it truncates."""

_END_OF_WORD: Final = re.compile(r"(?<=\S)[ \t\n\r]")
"""Where a text may be cut: the tokens of whole words do not depend on other words. In a run of spaces they may."""


@dataclass(frozen=True, slots=True)
class LongText:
    """The segments of a text that is longer than one row."""

    rows: tuple[TokenRow, ...]
    truncated: bool
    """Whether some of the text is in none of them."""


class Tokeniser:
    """Used by one thread at a time; Rust releases the GIL and uses all cores."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Changes the tokenizer: it truncates to `max_tokens`, special tokens included, and does not pad.

        It keeps the beginning of a text, or the end if the tokenizer's own truncation does ("direction": "left").
        """
        self._tokenizer = tokenizer
        self.special_tokens: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        """Number of special tokens in every row."""
        self._max_tokens = max_tokens
        self._tokenizer.no_padding()
        self._keeps_end = (self._tokenizer.truncation or {}).get("direction") == "left"
        self._tokenizer.enable_truncation(self._max_tokens, direction="left" if self._keeps_end else "right")
        parts: dict[str, Any] = json.loads(self._tokenizer.to_str())
        self._unknown = UnknownToken.of(self._tokenizer, parts)
        self._together = self._whole
        if is_by_words(parts) and not self._keeps_end:
            self._together = WordTokeniser(self._tokenizer, self._max_tokens, self._unknown).rows

    @classmethod
    def load(cls, artifact: Artifact) -> Tokeniser:
        """The tokeniser of a model folder; raises ArtifactError if the folder has no fast tokenizer."""
        if FILE not in artifact.manifest.files:
            raise ArtifactError(f"{artifact.path} has no {FILE}; save a fast tokenizer and train again")
        content = artifact.read(FILE)
        try:
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # noqa: BLE001 - tokenizers raises no narrower type
            raise ArtifactError(f"{artifact.path / FILE} cannot be read ({error}); train it again") from None
        return cls(tokenizer, artifact.manifest.max_tokens)

    def segments(self, text: str, how: LongTexts) -> LongText | Unscorable:
        """A text whose row is truncated, in several."""
        room = max(1, self._max_tokens - self.special_tokens)
        try:
            shown, spans = self._spans(text, room * how.max_segments)
        except TokenizerFailed as failure:
            return Unscorable(Reason.TOKENIZER_FAILED, f"{failure} for this text alone")
        found = segments_of(shown, spans, room, how.overlap)
        kept = found[-how.max_segments :] if self._keeps_end else found[: how.max_segments]
        parts: list[TokenRow] = []
        for row in self._encode([shown[start:end] for start, end in kept]):
            if isinstance(row, Unscorable):
                return row
            parts.append(row)
        # A piece of a text may have a token more than it has in the text, which then does not fit.
        left_out = len(kept) < len(found) or len(shown) < len(text) or any(one.truncated for one in parts)
        return LongText(tuple(parts), left_out)

    def _spans(self, text: str, tokens: int) -> tuple[str, list[tuple[int, int]]]:
        """A part of the text with more than this number of tokens, or all of it, and the characters of each token.

        Raises TokenizerFailed.
        """
        limit = CHARS_PER_TOKEN * tokens
        while True:
            shown = self._part(text, limit) if len(text) > limit else text
            spans = spans_of(self._tokenizer, shown)
            if len(spans) > tokens or len(shown) == len(text):
                return shown, spans
            limit *= 8

    def rows(self, texts: Sequence[str]) -> list[TokenRow | Unscorable]:
        """Tokenises normalised texts, in input order; raises ScorerError if the control sentence fails too.

        Of a long text the tokenizer first gets the part that it keeps, then more if that does not fill the row.
        """
        limit = CHARS_PER_TOKEN * self._max_tokens
        shown = [text if len(text) <= limit else self._part(text, limit) for text in texts]
        rows = self._encode(shown)
        cut = [index for index, text in enumerate(texts) if len(shown[index]) < len(text)]
        while cut := [index for index in cut if not _is_filled(rows[index])]:
            limit *= 8
            for index in cut:
                shown[index] = self._part(texts[index], limit)
            for index, row in zip(cut, self._encode([shown[index] for index in cut]), strict=True):
                rows[index] = row
            cut = [index for index in cut if len(shown[index]) < len(texts[index])]
        return rows

    def _part(self, text: str, limit: int) -> str:
        """At least `limit` characters of the beginning, or of the end; all of a text that cannot be cut there."""
        if not self._keeps_end:
            found = _END_OF_WORD.search(text, limit)
            return text[: found.start()] if found else text
        start = text.rfind(" ", 0, len(text) - limit)
        while start > 0 and text[start - 1].isspace():
            start = text.rfind(" ", 0, start)
        return text[max(0, start) :]

    def _encode(self, texts: Sequence[str]) -> list[TokenRow | Unscorable]:
        """Tokenises all texts together; if that fails, the control sentence and then the texts one by one."""
        # Only this error: a fault of our own must not be hidden by the slow path.
        with suppress(TokenizerFailed):  # the calls below find the cause
            return [*self._together(texts)]
        # Not in halves: one by one is cheap enough that halving would gain nothing (decision 6).
        control, *rows = [self._alone(text) for text in (CONTROL, *texts)]
        if isinstance(control, Unscorable):
            raise ScorerError(f"the tokenizer fails on the control sentence too: {control.reason}")
        unscorable = sum(isinstance(row, Unscorable) for row in rows)
        log.warning("tokenised_alone", texts=len(texts), unscorable=unscorable)
        return rows

    def _alone(self, text: str) -> TokenRow | Unscorable:
        try:
            (row,) = self._whole([text])
        except TokenizerFailed as failure:
            return Unscorable(Reason.TOKENIZER_FAILED, f"{failure} for this text alone")
        return row

    def _whole(self, texts: Sequence[str]) -> list[TokenRow]:
        encodings = encode(self._tokenizer, texts)
        ids = [encoding.ids for encoding in encodings]
        lengths = [len(one) for one in ids]
        full = [length >= self._max_tokens for length in lengths]
        truncated = [filled and bool(one.overflowing) for filled, one in zip(full, encodings, strict=True)]
        flat = np.fromiter(chain.from_iterable(ids), np.int32, sum(lengths))
        return rows_of(flat, lengths, truncated, self._unknown)


def _is_filled(row: TokenRow | Unscorable) -> bool:
    return isinstance(row, Unscorable) or row.truncated
