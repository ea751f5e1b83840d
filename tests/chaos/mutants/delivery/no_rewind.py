"""Mutant: a failed publish is ignored and reading continues at the current position."""

from __future__ import annotations

from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace


def apply() -> None:
    """Makes the rewind do nothing."""

    def rewind(_self: KafkaSource) -> None:
        """Keeps the position."""

    replace(KafkaSource, "rewind", rewind)
