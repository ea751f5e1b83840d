"""Finds near-duplicates, which must be in the same part of a split.

Test metrics are too good if training rows contain near-duplicates of test texts: 2 % of TweetEval's training
tweets have a near-duplicate, a fifth of these with another label.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.text import URL, USER, normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trainer.data.examples import IntArray

# 2.2 % of TweetEval's validation tweets have such a near-duplicate among its training tweets.
SIMILAR: Final = 0.8
"""Two texts whose word sets have at least this Jaccard similarity are near-duplicates."""

# Without it, 0.8 x 35 = 28.000000000000004 would be rounded up to 29.
_ROUNDING: Final = 1e-9
_PAIRS: Final = 100_000
"""Pairs compared in one step of numpy: few enough for the processor's cache."""
_COLUMNS: Final = 4
"""Signatures have 4 x 64 bits: of unrelated reviews with 150 words, 64 bits tell nothing apart."""
_SEED: Final = 0

_WORD = re.compile(r"\w+")
_SIGNS = re.compile(r"[^\w\s]+")
_RETWEET = re.compile(r"^rt\b")
_REPEATED = re.compile(r"([^\W\d_])\1+")
# Thai, Lao, Myanmar, Khmer, kana, Han: scripts without spaces between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def near_duplicate_groups(texts: Sequence[str], similar: float = SIMILAR) -> IntArray:
    """The group of near-duplicates of each row, `[rows]`; the number of a group is its first row.

    Compared are sets of words without mentions, URLs, signs, case and repeated letters ("soooo"); scripts without
    spaces count by pairs of characters, and a text of signs alone by its signs. The join is exact and not a
    sketch, so it finds every pair. Compared are only pairs that share a rare word, which is the prefix filter of
    PPJoin (Xiao et al. 2008: sizes in ascending order, a shorter prefix for the shorter set), and whose
    signatures differ in few bits.
    """
    bags = _Bags.of(texts)
    parent = np.arange(len(texts), dtype=np.int64)
    distinct = _join_equal(bags, parent)
    for one, other in _candidates(bags, distinct, similar):
        apart = _roots(parent, one) != _roots(parent, other)
        for first, second in zip(one[apart].tolist(), other[apart].tolist(), strict=True):
            if bags.similarity(first, second) >= similar:
                _join(parent, first, second)
    return _roots(parent, np.arange(len(texts)))


@dataclass(frozen=True, slots=True)
class _Bags:
    """A set of words for each row, as numbers that ascend with the word's frequency."""

    words: NDArray[np.int64]
    """Row after row, each sorted: its rarest word first."""
    starts: IntArray
    """`[rows + 1]`."""

    @staticmethod
    def of(texts: Sequence[str]) -> _Bags:
        numbers = _Numbers()
        flat, sizes = array("q"), array("q")
        for text in texts:
            bag = {numbers[word] for word in _words(text)}
            flat.extend(bag)
            sizes.append(len(bag))
        words, counts = np.array(flat, dtype=np.int64), np.array(sizes, dtype=np.int64)
        # Sets iterate in an order that differs between processes; of equally frequent words any may be first.
        frequency = np.bincount(words, minlength=len(numbers))
        rank = np.empty(len(numbers), dtype=np.int64)
        rank[np.argsort(frequency, kind="stable")] = np.arange(len(numbers))
        keys = np.repeat(np.arange(len(texts)) * max(1, len(numbers)), counts) + rank[words]
        keys.sort()
        return _Bags(keys % max(1, len(numbers)), np.concatenate(([0], np.cumsum(counts))))

    @property
    def sizes(self) -> IntArray:
        return np.diff(self.starts)

    def row(self, row: int) -> NDArray[np.int64]:
        return self.words[self.starts[row] : self.starts[row + 1]]

    def similarity(self, one: int, other: int) -> float:
        """The Jaccard similarity; neither set is empty."""
        first, second = self.row(one), self.row(other)
        common = np.intersect1d(first, second, assume_unique=True).size
        return float(common / (first.size + second.size - common))

    def signatures(self) -> NDArray[np.uint64]:
        """`[rows, columns]`; each word flips one bit of 256, so two differ in at most as many bits as words."""
        bits = np.random.default_rng(_SEED).integers(0, 64 * _COLUMNS, size=int(self.words.max(initial=0)) + 1)
        found = np.zeros((len(self.starts) - 1, _COLUMNS), dtype=np.uint64)
        filled = np.flatnonzero(self.sizes)
        for column in range(_COLUMNS if filled.size else 0):
            masks = np.where(bits // 64 == column, np.uint64(1) << (bits % 64).astype(np.uint64), np.uint64(0))
            found[filled, column] = np.bitwise_xor.reduceat(masks[self.words], self.starts[filled])
        return found


class _Numbers(dict[str, int]):
    """Word to number; words that differ only in repeated letters have the same, so not all numbers are used."""

    def __missing__(self, word: str) -> int:
        """Each word is seen once here: squeezing whole texts would take longer than all else."""
        squeezed = _REPEATED.sub(r"\1", word)
        number = self[word] = len(self) if squeezed == word else self[squeezed]
        return number


def _words(text: str) -> set[str]:
    plain = _RETWEET.sub("", normalise(text).lower()).replace(USER, " ")
    runs: list[str] = []
    if not plain.isascii():
        runs = _UNSPACED.findall(plain)
        plain = _UNSPACED.sub(" ", plain) if runs else plain
    words = set(_WORD.findall(plain))
    for run in runs:
        words.update(run[at : at + 2] for at in range(max(1, len(run) - 1)))
    words.discard(URL)
    return words or set(_SIGNS.findall(plain))


def _join_equal(bags: _Bags, parent: IntArray) -> IntArray:
    """Joins rows with equal sets; returns the first row of each set that is not empty."""
    first_with: dict[bytes, int] = {}
    for row in range(len(parent)):
        parent[row] = first_with.setdefault(bags.row(row).tobytes(), row)
    first_with.pop(b"", None)
    return np.array(list(first_with.values()), dtype=np.int64)


def _candidates(bags: _Bags, rows: IntArray, similar: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs of rows that may be similar; each similar pair is among them at least once.

    Of sets with n <= m words, similar ones have t/(1+t)(n+m) words or more in common. That is at least 2t/(1+t) n
    and at least t m, so they share a word of the n - ceil(2t/(1+t) n) + 1 rarest of one and the m - ceil(t m) + 1
    rarest of the other; and they differ in at most (1-t)/(1+t)(n+m) words, where m is at most n/t.
    """
    rows = rows[np.argsort(bags.sizes[rows], kind="stable")]
    sizes = bags.sizes[rows]
    longest = np.floor(sizes / similar + _ROUNDING).astype(np.int64)
    differ = np.floor((1 - similar) / (1 + similar) * (sizes + longest) + _ROUNDING).astype(np.int64)
    probed = sizes - np.ceil(similar * sizes - _ROUNDING).astype(np.int64) + 1
    indexed = sizes - np.ceil(2 * similar / (1 + similar) * sizes - _ROUNDING).astype(np.int64) + 1
    # One entry for each word of a prefix, sorted by word and then by size.
    place = np.repeat(np.arange(len(rows)), probed)
    within = np.arange(len(place)) - np.repeat(np.cumsum(probed) - probed, probed)
    words = bags.words[bags.starts[rows][place] + within]
    order = np.lexsort((place, words))
    place, words, within = place[order], words[order], within[order]
    most = int(sizes.max(initial=0))
    key = words * (most + 1)
    until = np.searchsorted(key + sizes[place], key + np.minimum(longest, most)[place], side="right")
    counts = np.where(within < indexed[place], until - np.arange(len(place)) - 1, 0)
    signatures = bags.signatures()[rows]
    # In the order of the entries, so that memory is read in sequence: that is six times as fast.
    shown, bound = signatures[place, 0], differ[place]
    for begin, end in _chunks(counts):
        several = counts[begin:end]
        one = np.repeat(np.arange(begin, end), several)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(several) - several, several)
        near = np.bitwise_count(shown[one] ^ shown[other]) <= bound[one]
        first, second = place[one[near]], place[other[near]]
        bits = np.bitwise_count(signatures[first] ^ signatures[second]).sum(axis=1)
        near = bits <= differ[first]
        yield rows[first[near]], rows[second[near]]


def _chunks(counts: IntArray) -> Iterator[tuple[int, int]]:
    """Ranges of entries with about `_PAIRS` pairs each."""
    total = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, done + _PAIRS, side="right")))
        if total[end - 1] > done:
            yield begin, end
        begin = end


def _roots(parent: IntArray, rows: IntArray) -> IntArray:
    """The root of each row; shortens the paths to them."""
    found = parent[rows]
    while ((above := parent[found]) != found).any():
        found = above
    parent[rows] = found
    return found


def _join(parent: IntArray, one: int, other: int) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first


def _root(parent: IntArray, row: int) -> int:
    while (above := int(parent[row])) != row:
        row = above
    return row
