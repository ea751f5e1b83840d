"""One thing about Kafka that hurts or ends a run, as a line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger()

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


class Problem(NamedTuple):
    """What will happen, and what to do."""

    text: str
    is_fatal: bool = False
    """Whether a run is sure to fail or to lose records; else it goes on with a warning."""


def require_fit(problems: Sequence[Problem]) -> None:
    """Warns of what may hurt; raises KafkaStateError for what is sure to."""
    for problem in problems:
        if not problem.is_fatal:
            log.warning("kafka_unfit", problem=problem.text)
    if fatal := [problem.text for problem in problems if problem.is_fatal]:
        raise KafkaStateError("; ".join(fatal))


def change(topic: str, key: str, value: object) -> str:
    """The command that changes a topic's configuration; the address of the cluster is left to the reader."""
    return f"kafka-configs --alter --topic {topic} --add-config {key}={value}"


def duration(milliseconds: int) -> str:
    """In the largest unit of which there are two."""
    for unit, name in ((_DAY_MS, "days"), (_HOUR_MS, "hours"), (60_000, "minutes")):
        if milliseconds >= 2 * unit:
            return f"{milliseconds / unit:.0f} {name}"
    return f"{milliseconds / 1000:g} s"
