"""Scores of texts that were seen before: retweets and copies cost no forward pass."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.inference.types import Score


def fingerprint(text: str) -> bytes:
    """Stands for a text in 16 bytes (BLAKE2b), so that an entry's size does not depend on the text's."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ScoreCache:
    """Least recently used scores by fingerprint of the normalised text. Any thread may use it.

    It belongs to one model and dies with the process, so the model's version needs no place in the key.
    A score depends on its neighbours in a pass in the last digits; a cached one keeps those of its first.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        """At about 400 bytes each; 0 turns it off."""
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
        """Adds scores and forgets those that were not asked for the longest."""
        if not self._entries:
            return
        with self._lock:
            self._scores.update(scores)
            while len(self._scores) > self._entries:
                self._scores.popitem(last=False)
