"""Texts that a person should look at: those of which the model is least sure, near-duplicates once.

Of the texts of the sample, since others are not read. Bounded: KEPT candidates, UNDO of those that were labelled,
and DONE places.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dashboard.window.recent import MAX_CHARS
from dashboard.window.terms import terms_of
from shared.messages import text_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dashboard.window.records import Place, Scored

KEPT: Final = 200
DONE: Final = 100_000
"""Places of labelled records that are remembered: an older one may come again after a restart only."""
UNDO: Final = 1_000
"""Labelled candidates that come back when their label is taken back."""
ALIKE: Final = 0.8
"""Share of common terms (Jaccard) from which on two texts are near-duplicates."""


@dataclass(slots=True)
class Candidate:
    """A text to look at, and how many more are like it."""

    record: Scored
    source: Place
    text: str
    """Its beginning, as in the sample."""
    digest: str
    """Of the whole text, for the label."""
    margin: float
    """Between the two largest probabilities."""
    terms: frozenset[str]
    alike: int = 0


class Review:
    """The candidates, least sure first. For one thread at a time; the window has the lock."""

    def __init__(self) -> None:
        self._candidates: list[Candidate] = []
        self._done: OrderedDict[Place, None] = OrderedDict()
        self._labelled: OrderedDict[Place, Candidate] = OrderedDict()

    def add(self, record: Scored, text: str) -> None:
        """Takes a text if the model is less sure of it than of the surest one here."""
        margin = margin_of(record)
        if margin is None or record.source is None or record.source in self._done:
            return
        if len(self._candidates) == KEPT and margin >= self._candidates[-1].margin:
            return
        terms = frozenset(terms_of(text))
        for other in self._candidates:
            if _are_alike(terms, other.terms) or (not terms and other.text == text[:MAX_CHARS]):
                other.alike += 1
                return
        self._insert(Candidate(record, record.source, text[:MAX_CHARS], text_sha256(text), margin, terms))

    def _insert(self, candidate: Candidate) -> None:
        self._candidates.append(candidate)
        self._candidates.sort(key=lambda one: one.margin)
        del self._candidates[KEPT:]

    def first(self, count: int) -> list[Candidate]:
        """The least sure ones."""
        return self._candidates[:count]

    def __len__(self) -> int:
        """How many wait."""
        return len(self._candidates)

    def find(self, source: Place) -> Candidate | None:
        """The candidate at a place, also one that was labelled since the start."""
        return next((one for one in self._candidates if one.source == source), self._labelled.get(source))

    def finish(self, source: Place) -> None:
        """Takes a candidate away: its label is saved."""
        candidate = self.find(source)
        if candidate is not None:
            self._labelled[source] = candidate
        self._done[source] = None
        self._candidates = [one for one in self._candidates if one.source != source]
        while len(self._done) > DONE:
            self._done.popitem(last=False)
        while len(self._labelled) > UNDO:
            self._labelled.popitem(last=False)

    def reopen(self, source: Place) -> None:
        """Puts a candidate back: its label was taken back."""
        self._done.pop(source, None)
        candidate = self._labelled.pop(source, None)
        if candidate is not None:
            self._insert(candidate)

    def exclude(self, sources: Iterable[Place]) -> None:
        """Takes away what has a label already."""
        for source in sources:
            self.finish(source)


def margin_of(record: Scored) -> float | None:
    """The difference of the two largest probabilities; None without two."""
    ordered = sorted(record.probabilities.values(), reverse=True)
    return ordered[0] - ordered[1] if len(ordered) > 1 else None


def _are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= ALIKE * len(one | other)
