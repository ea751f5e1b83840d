"""A cache of scores, so that retweets and copies need no forward pass."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.inference.types import Score


def fingerprint(text: str) -> bytes:
    """The 16-byte BLAKE2b digest of a text, so that the size of an entry does not depend on the text."""
    # 0.4 us for a tweet. xxh128 takes 0.08 us, but a score of MiniLM that is saved took about 850 us on 2 cores.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ScoreCache:
    """An LRU cache of scores by fingerprint of the normalised text. Any thread may use it.

    It belongs to one model and ends with the process, so the key does not contain the model's version. The last
    digits of a score depend on the other rows of its pass; a cached score keeps the digits of its first pass.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        """Maximum entries, about 400 bytes each; 0 turns the cache off."""
        self._scores: OrderedDict[bytes, Score] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, keys: Sequence[bytes]) -> list[Score | None]:
        """The scores in the order of the keys."""
        with self._lock:
            found = [self._scores.get(key) for key in keys]
            for key, score in zip(keys, found, strict=True):
                if score is not None:
                    self._scores.move_to_end(key)
        return found

    def keep(self, scores: Iterable[tuple[bytes, Score]]) -> None:
        """Adds scores and evicts the least recently used ones."""
        if not self._entries:
            return
        with self._lock:
            self._scores.update(scores)
            while len(self._scores) > self._entries:
                self._scores.popitem(last=False)
