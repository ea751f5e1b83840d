"""The whole dead-letter topic without contents, and filters of letters. Pure; `topic` reads it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.dlq.letters import Envelope, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.dlq.letters import Origin


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters a command is about; nothing set: all."""

    stage: str | None = None
    error: str | None = None
    since_ms: int | None = None
    """Letters written at this time or later."""
    topic: str | None = None
    """The input's topic."""

    def __contains__(self, envelope: Envelope) -> bool:
        """Tells whether a letter passes every filter."""
        return (
            self.stage in {None, envelope.stage}
            and self.error in {None, envelope.error}
            and self.topic in {None, envelope.origin.topic}
            and (self.since_ms is None or envelope.written_ms >= self.since_ms)
        )


@dataclass(frozen=True, slots=True)
class Index:
    """The whole topic without contents."""

    envelopes: list[Envelope]
    """Oldest first, and in the order of their offsets within each partition."""
    replayed: dict[Origin, list[str]] = field(default_factory=dict)
    """Inputs that were replayed, with the topics that they were replayed to."""
    foreign: int = 0
    """Records that are neither letters of this service nor receipts."""


def build_index(entries: Iterable[Envelope | Receipt | None]) -> Index:
    """Sorts what was read, in order within each partition; None is a record that is neither."""
    letters: defaultdict[int, list[Envelope]] = defaultdict(list)
    receipts: list[Receipt] = []
    foreign = 0
    for entry in entries:
        if isinstance(entry, Envelope):
            letters[entry.place.partition].append(entry)
        elif isinstance(entry, Receipt):
            receipts.append(entry)
        else:
            foreign += 1
    # Merged, not sorted: within a partition offsets give the order, even where clocks went backwards.
    merged = list(heapq.merge(*letters.values(), key=lambda envelope: envelope.written_ms))
    origins = {envelope.place: envelope.origin for envelope in merged} if receipts else {}
    # By input, not by letter: a crash under at-least-once leaves two letters of one input, to be replayed once.
    replayed: dict[Origin, list[str]] = {}
    for receipt in receipts:
        if receipt.letter in origins:  # else retention has taken the letter
            replayed.setdefault(origins[receipt.letter], []).append(receipt.topic)
    return Index(merged, replayed, foreign)
