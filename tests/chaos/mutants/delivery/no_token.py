"""Mutant: rows are published although their partition was revoked meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Iterable


def apply() -> None:
    """Takes every row for ours."""

    def let_go(self: KafkaSource, places: Iterable[tuple[str, int]]) -> None:
        for place in places:
            self._new.pop(place, None)
            self._owned.pop(place, None)

    replace(KafkaSource, "_let_go", let_go)
