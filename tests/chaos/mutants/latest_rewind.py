"""Mutant: after a failed publish reading goes on at the end of the partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from consumer.commit_metadata import Commit, Place


def apply() -> None:
    """Lets the end pass for the commit while it goes back."""

    def ends(self: Any, places: list[Place]) -> list[Commit]:
        return [one._replace(offset=self.bounds(one.place)[1]) for one in known(self, places)]

    known = replace(KafkaSource, "_known", ends)
