"""Arithmetic of offsets. Pure; knows no client."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Partition = TypeVar("Partition")


def last_of(spans: Mapping[Partition, range], count: int) -> dict[Partition, range]:
    """The newest `count` offsets of all spans together, dealt evenly; short spans give what they have."""
    shares: dict[Partition, range] = {}
    room = count
    for given, (partition, span) in enumerate(sorted(spans.items(), key=lambda item: len(item[1]))):
        share = min(len(span), room // (len(spans) - given))
        shares[partition] = range(span.stop - share, span.stop)
        room -= share
    return {partition: shares[partition] for partition in spans}
