"""Mutant: where a group begins that has committed nothing is kept in memory only.

Nothing but what was published is committed; that the crash loop counts there would pin it as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.offsets import GroupOffsets
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.commit_metadata import Commit


def apply() -> None:
    """Leaves out every commit but those of transactions."""

    def commit(_self: GroupOffsets, _commits: Sequence[Commit]) -> None:
        """Commits nothing."""

    replace(GroupOffsets, "commit", commit)
