"""Mutant: a callback raises out of the client, and reading goes on as after any other error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

import consumer.source
from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from consumer.records import Record


def apply() -> None:
    """Adds a callback that raises, and a read that takes no notice."""

    def raises(_statistics: str) -> None:
        raise KafkaException(KafkaError(KafkaError._FAIL))  # noqa: SLF001 - the client's public constant

    def configured(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {**configure(*arguments, **named), "stats_cb": raises, "statistics.interval.ms": 5}

    def careless(self: KafkaSource, max_records: int, wait_s: float) -> list[Record]:
        try:
            found: list[Record] = read(self, max_records, wait_s)
        except KafkaException:
            return []
        return found

    configure = replace(consumer.source, "client_config", configured)
    read = replace(KafkaSource, "read", careless)
