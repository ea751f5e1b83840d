"""Mutant: rows are published although their partition was revoked meanwhile."""

from __future__ import annotations

from consumer.source import KafkaSource
from tests.chaos.patching import replace


def apply() -> None:
    """Takes every row for ours."""

    def let_go(self: KafkaSource, place: tuple[str, int]) -> None:
        self._owned.pop(place, None)

    replace(KafkaSource, "_let_go", let_go)
