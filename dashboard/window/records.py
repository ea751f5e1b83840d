"""The records that the window takes: a result and a dead letter. Times are in epoch milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """Coordinates of a record in Kafka."""

    topic: str
    partition: int
    offset: int


# Named tuples, not frozen dataclasses: one is made for each record (a refill reads a million).
class Scored(NamedTuple):
    """A result."""

    place: Place
    event_ms: int
    """Timestamp of the input record, which the result carries."""
    scored_ms: int | None
    id: str
    label: str
    score: float
    probabilities: Mapping[str, float]
    uncertain: bool
    truncated: bool
    segments: int
    """Parts in which a long text was read; 1 for any other."""
    model_name: str
    model_version: str
    source: Place | None
    """The input record; None for a result that was scored without Kafka."""
    text: str | None
    """Only where results carry it."""
    group: str
    """Value of the header or field that the user named; empty without one."""


class LetterSeen(NamedTuple):
    """A dead letter: why, and where it is; never its content."""

    place: Place
    written_ms: int
    stage: str
    error: str
    reason: str
    source: Place
