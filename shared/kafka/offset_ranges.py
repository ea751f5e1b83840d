"""Arithmetic with offset ranges, whose end is exclusive. Pure; independent of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Partition = TypeVar("Partition")


def last_of(spans: Mapping[Partition, range], count: int) -> dict[Partition, range]:
    """The newest `count` offsets of all spans together, divided evenly; short spans give all that they have.

    The remainder of the division goes to the first spans, even if the others have more offsets.
    """
    shares = dict.fromkeys(spans, 0)
    room = count
    while room and (roomy := [partition for partition, span in spans.items() if shares[partition] < len(span)]):
        each = max(1, room // len(roomy))
        for partition in roomy[:room]:
            more = min(each, len(spans[partition]) - shares[partition])
            shares[partition] += more
            room -= more
    return {partition: range(span.stop - shares[partition], span.stop) for partition, span in spans.items()}


def without(span: range, covered: Iterable[range]) -> list[range]:
    """The parts of a span that are not in `covered`, in order; `covered` may overlap and have any order."""
    left, at = [], span.start
    for other in sorted(filter(len, covered), key=lambda one: one.start):
        if at < min(other.start, span.stop):
            left.append(range(at, min(other.start, span.stop)))
        at = max(at, other.stop)
    if at < span.stop:
        left.append(range(at, span.stop))
    return left
