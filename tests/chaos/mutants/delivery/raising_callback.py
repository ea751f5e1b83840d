"""Mutant: a statistics callback raises out of the read, which mistakes that for a short network failure.

A `consume` that waits for more then destroys what it has dequeued, although the position has advanced. The
product's read, `poll` and then a `consume` that never waits, lost nothing to such a callback.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import consumer.kafka.group_client
from consumer.kafka.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from consumer.stream.records import Record

INTERVAL_MS: Final = 1_000
BATCH: Final = 1_000
FULL_S: Final = 0.5
"""How long a read waits for a full batch."""


def apply() -> None:
    """Adds a callback that fails to report a lag, and a read that continues after the failure."""

    def report(statistics: str) -> None:
        for topic in json.loads(statistics)["topics"].values():
            if any(partition["consumer_lag"] > 0 for partition in topic["partitions"].values()):
                raise ConnectionError("the metrics gateway does not answer")

    def configured(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {**configure(*arguments, **named), "stats_cb": report, "statistics.interval.ms": INTERVAL_MS}

    def careless(source: KafkaSource, _max_records: int, _wait_s: float) -> list[Record]:
        try:
            messages = source._consumer.consume(BATCH, FULL_S)  # noqa: SLF001
        except OSError:
            return []
        return [record for record in map(source._intake.accept, messages) if record is not None]  # noqa: SLF001

    configure = replace(consumer.kafka.group_client, "client_config", configured)
    replace(KafkaSource, "read", careless)
