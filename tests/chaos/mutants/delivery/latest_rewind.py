"""Mutant: after a failed publish, reading continues at the end of the partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.offsets import GroupOffsets
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Collection

    from consumer.kafka.commit_metadata import Commit, Place


def apply() -> None:
    """Returns the end instead of the commit in a patient request, such as the one that a rewind makes."""

    def ends(self: GroupOffsets, places: Collection[Place], *, patience_s: float = 0.0) -> list[Commit]:
        known = committed(self, places, patience_s=patience_s)
        return [one._replace(offset=self.bounds(one.place)[1]) for one in known] if patience_s else known

    committed = replace(GroupOffsets, "committed", ends)
