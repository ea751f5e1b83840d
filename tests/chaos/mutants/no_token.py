"""Mutant: rows are published although their partition was revoked meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from consumer.records import Record


def apply() -> None:
    """Takes every row for ours."""

    def owns(_self: KafkaSource, _record: Record) -> bool:
        return True

    replace(KafkaSource, "owns", owns)
