"""Where a text that is longer than one row is cut: at ends of sentences, each segment with some context before it.

A segment is a piece of the normalised text and is tokenised like any other text, so it has the special tokens and
positions that the model knows. Pure, but for the tokenizer.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Without a dictionary "Mr. Smith" ends a sentence, which costs nothing but an early cut.
_SENTENCE_END: Final = re.compile(r"[.!?\u2026\u061f\u0964]+[\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f]+|\n")
_WORD_END: Final = re.compile(r"(?<=\S)(?=\s)")
LEAST_SHARE: Final = 0.5
"""Of a row that a segment fills at least: a cut is not looked for before it."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Tokens of a text after which it may be cut, ascending."""

    sentences: Sequence[int]
    words: Sequence[int]

    @classmethod
    def of(cls, text: str, starts: Sequence[int]) -> Cuts:
        """Of a text whose tokens begin at these characters, ascending."""

        def after(pattern: re.Pattern[str]) -> list[int]:
            return sorted({bisect_left(starts, one.end()) for one in pattern.finditer(text)})

        return cls(after(_SENTENCE_END), after(_WORD_END))

    def last(self, after: int, to: int) -> int:
        """The best place to end a segment, in (after, to]: the last sentence, else the last word, else `to`."""
        for places in (self.sentences, self.words):
            found = bisect_right(places, to) - 1
            if found >= 0 and places[found] > after:
                return places[found]
        return to

    def first(self, since: int, before: int) -> int:
        """The best place to begin a segment, in [since, before]: the first sentence, else the first word."""
        for places in (self.sentences, self.words):
            found = bisect_left(places, since)
            if found < len(places) and places[found] < before:
                return places[found]
        return since if not self.words else before


def segments_of(text: str, spans: Sequence[tuple[int, int]], room: int, overlap: int) -> list[tuple[int, int]]:
    """The segments of a text, in order, each by the characters where it starts and ends.

    `spans` are the characters of its tokens, ascending; a segment has at most `room` of them, and shares at most
    `overlap` with the one before it.
    """
    starts = [start for start, _ in spans]
    cuts = Cuts.of(text, starts)
    found: list[tuple[int, int]] = []
    begin = 0
    while True:
        end = min(begin + room, len(spans))
        if end < len(spans):
            end = cuts.last(begin + int(LEAST_SHARE * room), end)
        found.append((spans[begin][0], spans[end - 1][1]))
        if end == len(spans):
            return found
        # Never back to where this one began: an overlap is at most a quarter of a row.
        begin = max(begin + 1, cuts.first(end - overlap, end))
