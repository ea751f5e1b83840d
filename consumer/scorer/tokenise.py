"""Texts to token ids, each text once, with the Rust tokenizer of the model folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
from tokenizers import Tokenizer

from consumer.isolation import CONTROL
from consumer.records import Unscorable
from shared.errors import ArtifactError, ScorerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenizers import Encoding

    from consumer.scorer.engine import Ids
    from shared.artifact import Artifact

log = structlog.get_logger()

CHARS_PER_TOKEN: Final = 8
"""Of a long text the tokenizer is first shown so many characters for each token that the model reads; English
has 4 to 5. It would otherwise read all of a text before it truncates."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One text as the model reads it."""

    ids: Ids
    truncated: bool

    def __len__(self) -> int:
        """Tokens, special ones included."""
        return len(self.ids)


class Tokeniser:
    """Used by one thread at a time; Rust lets go of the GIL and uses all cores."""

    def __init__(self, artifact: Artifact) -> None:
        """Loads the tokenizer; raises ArtifactError where there is none of the fast kind."""
        file = artifact.path / "tokenizer.json"
        if not file.is_file():
            raise ArtifactError(f"{artifact.path} has no tokenizer.json; save a fast tokenizer and train again")
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # noqa: BLE001 - tokenizers raises nothing more exact
            raise ArtifactError(f"{file} cannot be read ({error}); train it again") from None
        self._max_tokens = artifact.manifest.max_tokens
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._max_tokens)

    def rows(self, texts: Sequence[str]) -> list[TokenRow | Unscorable]:
        """Tokenises normalised texts, in their order; raises ScorerError where the tokenizer itself is unfit."""
        encodings = self._encode(texts)
        ids = [[] if isinstance(one, Unscorable) else one.ids for one in encodings]
        lengths = [len(one) for one in ids]
        flat = np.fromiter(chain.from_iterable(ids), np.int32, sum(lengths))
        return [
            one if isinstance(one, Unscorable) else TokenRow(part, self._overflows(one, len(part)))
            for one, part in zip(encodings, _parts(flat, lengths), strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> list[Encoding | Unscorable]:
        """Shows the tokenizer the beginnings of long texts, and more of those that were not filled by it."""
        encodings: list[Encoding | Unscorable] = [_NOT_YET] * len(texts)
        limit = CHARS_PER_TOKEN * self._max_tokens
        waiting = list(range(len(texts)))
        while waiting:
            beginnings = [_beginning(texts[index], limit) for index in waiting]
            for index, encoding in zip(waiting, self._encode_whole(beginnings), strict=True):
                encodings[index] = encoding
            waiting = [
                index
                for index, shown in zip(waiting, beginnings, strict=True)
                if len(shown) < len(texts[index]) and not self._is_filled(encodings[index])
            ]
            limit *= 8
        return encodings

    def _encode_whole(self, texts: Sequence[str]) -> list[Encoding | Unscorable]:
        """Tokenises together, and one by one after the control where that fails."""
        with suppress(Exception):  # tokenizers raises nothing more exact; what it was shows below
            return [*self._tokenizer.encode_batch_fast(texts)]
        control, *encodings = [self._encode_alone(text) for text in (CONTROL, *texts)]
        if isinstance(control, Unscorable):
            raise ScorerError(f"the tokenizer fails on the control sentence too: {control.reason}")
        unscorable = sum(isinstance(encoding, Unscorable) for encoding in encodings)
        log.warning("tokenised_alone", texts=len(texts), unscorable=unscorable)
        return encodings

    def _encode_alone(self, text: str) -> Encoding | Unscorable:
        try:
            encoding: Encoding = self._tokenizer.encode_batch_fast([text])[0]
        except Exception as error:  # noqa: BLE001 - see `_encode_whole`
            return Unscorable("TokenizerFailed", f"{type(error).__name__} for this text alone")
        return encoding

    def _is_filled(self, encoding: Encoding | Unscorable) -> bool:
        return isinstance(encoding, Unscorable) or self._overflows(encoding, len(encoding.ids))

    def _overflows(self, encoding: Encoding, tokens: int) -> bool:
        return tokens >= self._max_tokens and bool(encoding.overflowing)


_NOT_YET: Final = Unscorable("TokenizerFailed", "not tokenised")


def _beginning(text: str, limit: int) -> str:
    """At least `limit` characters, cut before a space: the tokens of whole words do not depend on what follows.

    A normalised text has single spaces only. One without any is shown whole.
    """
    if len(text) <= limit:
        return text
    end = text.find(" ", limit)
    return text if end < 0 else text[:end]


def _parts(flat: Ids, lengths: Sequence[int]) -> Iterator[Ids]:
    end = 0
    for length in lengths:
        start, end = end, end + length
        yield flat[start:end]
