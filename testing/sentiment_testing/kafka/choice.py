"""Which Kafka a test gets: the first kind that is available."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from sentiment_testing.errors import NoBrokerError, UnavailableError
from sentiment_testing.kafka.broker import named_kafka
from sentiment_testing.kafka.containers import docker_kafka
from sentiment_testing.kafka.java import local_kafka
from sentiment_testing.kafka.mock import mock_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sentiment_testing.kafka.broker import Broker

Kind = Literal["named", "docker", "java", "mock"]
REAL: Final[tuple[Kind, ...]] = ("named", "docker", "java")
"""Kinds that are an Apache Kafka, in the order in which they are tried."""
ALL: Final[tuple[Kind, ...]] = (*REAL, "mock")

_STARTERS: Final[Mapping[Kind, tuple[str, Callable[[], AbstractContextManager[Broker]]]]] = {
    "named": ("a named broker", named_kafka),
    "docker": ("Docker", docker_kafka),
    "java": ("local Java process", local_kafka),
    "mock": ("mock cluster", mock_kafka),
}


@contextmanager
def start_kafka(kinds: Sequence[Kind] = ALL) -> Iterator[Broker]:
    """Yields the first of `kinds` that is available, and ends it with the block.

    Raises NoBrokerError if none is, with the reason of each, and BrokerError if one is there but broken: a broker
    that somebody named is not replaced by another.
    """
    failures: list[str] = []
    for kind in kinds:
        name, start = _STARTERS[kind]
        with ExitStack() as stack:
            try:
                found = stack.enter_context(start())
            except UnavailableError as reason:
                failures.append(f"{name}: {reason}")
                continue
            # Whoever gets less than a real Kafka reads why.
            why = f"; {'; '.join(failures)}" if found.is_mock and failures else ""
            yield replace(found, description=found.description + why)
            return
    tried = "\n".join(f"  - {line}" for line in failures)
    raise NoBrokerError(f"no Kafka broker is available; tried\n{tried}")
