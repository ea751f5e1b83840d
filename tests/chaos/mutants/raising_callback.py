"""Mutant: a statistics callback raises out of the read, which takes that for a hiccup of the network.

`consume` then destroys what it had dequeued before the callback's turn came, although the position has
moved. The product's read, `poll` and then a `consume` that never waits, lost nothing to such a callback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import consumer.source
from consumer.source import KafkaSource
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from consumer.records import Record

INTERVAL_MS: Final = 200


def apply() -> None:
    """Adds the callback, and a read that goes on after it."""

    def report(_statistics: str) -> None:
        raise ConnectionError("the metrics gateway does not answer")

    def configured(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {**configure(*arguments, **named), "stats_cb": report, "statistics.interval.ms": INTERVAL_MS}

    def careless(source: Any, max_records: int, wait_s: float) -> list[Record]:
        suspects, careful = source._suspects, source._suspects.careful  # noqa: SLF001
        try:
            messages = source.client.consume(max_records, wait_s)
        except OSError:
            return []
        suspects.add([record for record in map(source._accept, messages) if record is not None])  # noqa: SLF001
        taken: list[Record] = [] if source._paused else suspects.take(max_records, alone=careful)  # noqa: SLF001
        return taken

    configure = replace(consumer.source, "client_config", configured)
    replace(KafkaSource, "read", careless)
