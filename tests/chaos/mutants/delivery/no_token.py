"""Mutant: rows are published although their partition was revoked in the meantime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.assignment import Assignment
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Iterable


def apply() -> None:
    """Treats every row as owned."""

    def let_go(self: Assignment, places: Iterable[tuple[str, int]]) -> None:
        for place in places:
            self.waiting.pop(place, None)
            self.owned.pop(place, None)

    replace(Assignment, "let_go", let_go)
