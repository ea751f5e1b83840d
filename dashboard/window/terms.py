"""Words and hashtags of the texts, counted by label and time.

Each text counts a term once, so that a text which repeats a word a hundred times is one vote. Memory: at most
`MAX_COUNTS` counters of about 100 bytes, 30 MB.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDTHS: Final = ((60, 130, 800), (900, 96, 2_000))
"""Seconds of a block, how many are kept, counters of one: 2 hours by the minute, 24 hours by the quarter."""
MAX_COUNTS: Final = sum(blocks * counts for _, blocks, counts in WIDTHS)
MAX_TERMS: Final = 60
"""Different terms of one text that are counted."""
# Letters of any script, with marks; a hashtag keeps its sign. Numbers and links name no topic.
_TERM: Final = regex.compile(r"https?://\S+|#?[\p{L}\p{M}][\p{L}\p{M}\p{N}_'\u2019]{2,29}")


def terms_of(text: str) -> set[str]:
    """The terms of a text, in lower case."""
    found: set[str] = set()
    for match in _TERM.finditer(text):
        term = match[0].lower().rstrip("'\u2019")
        if not term.startswith("http"):
            found.add(term)
            if len(found) == MAX_TERMS:
                break
    return found


class Block:
    """Counts of one stretch of time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.counts: dict[str, Counter[str]] = {}
        """Texts that hold a term, by label."""
        self.texts: Counter[str] = Counter()
        """Texts by label."""

    def add(self, label: str, terms: Iterable[str]) -> None:
        """Counts a text."""
        self.texts[label] += 1
        self.counts.setdefault(label, Counter()).update(terms)
        if sum(map(len, self.counts.values())) > self._limit:
            self._drop_rare()

    def _drop_rare(self) -> None:
        """Keeps the frequent half: a term that rises is not among the rare ones for long."""
        every = [(count, label, term) for label, own in self.counts.items() for term, count in own.items()]
        every.sort(reverse=True)
        self.counts = {}
        for count, label, term in every[: self._limit // 2]:
            self.counts.setdefault(label, Counter())[term] = count


class Terms:
    """Blocks of two widths. For one thread at a time; the window has the lock."""

    def __init__(self) -> None:
        self._blocks: tuple[dict[int, Block], ...] = tuple({} for _ in WIDTHS)

    def add(self, event_s: float, label: str, text: str, now_s: float) -> None:
        """Counts a text in the block of its time, if that is kept."""
        terms = terms_of(text)
        for (width_s, kept, limit), blocks in zip(WIDTHS, self._blocks, strict=True):
            number, newest = int(event_s // width_s), int((now_s + 60) // width_s)
            if not newest - kept < number <= newest:
                continue
            if number not in blocks:
                blocks[number] = Block(limit)
                for old in [one for one in blocks if one <= newest - kept]:
                    del blocks[old]
            blocks[number].add(label, terms)

    def between(self, start_s: float, end_s: float, label: str | None = None) -> tuple[Counter[str], int]:
        """Texts by term, and how many texts, of the blocks that begin in a stretch of time."""
        counts: Counter[str] = Counter()
        texts = 0
        for block in self._within(start_s, end_s):
            texts += block.texts.total() if label is None else block.texts[label]
            for one, own in block.counts.items():
                if label in {None, one}:
                    counts.update(own)
        return counts, texts

    def labels_of(self, terms: Iterable[str], start_s: float, end_s: float) -> dict[str, Counter[str]]:
        """Texts by label for each of these terms."""
        found: dict[str, Counter[str]] = {term: Counter() for term in terms}
        for block in self._within(start_s, end_s):
            for label, own in block.counts.items():
                for term, counts in found.items():
                    if count := own.get(term):
                        counts[label] += count
        return found

    def _within(self, start_s: float, end_s: float) -> Iterator[Block]:
        """The finer blocks where they reach back to the start, else the coarser ones."""
        width_s, kept, _ = WIDTHS[0]
        level = 0 if end_s - start_s <= width_s * kept / 2 else 1
        width_s = WIDTHS[level][0]
        for number, block in self._blocks[level].items():
            if start_s <= number * width_s < end_s:
                yield block
