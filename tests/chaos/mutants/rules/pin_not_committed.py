"""Mutant: the start position of a group without commits is kept in memory only.

Only published offsets are committed: a commit with the crash loop's count would pin the position as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.offsets import GroupOffsets
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.commit_metadata import Commit


def apply() -> None:
    """Leaves out every commit that is not part of a transaction."""

    def commit(_self: GroupOffsets, _commits: Sequence[Commit]) -> None:
        """Commits nothing."""

    replace(GroupOffsets, "commit", commit)
