"""Mutant: a failed publish is forgotten and reading goes on where it is."""

from __future__ import annotations

from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace


def apply() -> None:
    """Makes going back do nothing."""

    def rewind(_self: KafkaSource) -> None:
        """Stays where it is."""

    replace(KafkaSource, "rewind", rewind)
