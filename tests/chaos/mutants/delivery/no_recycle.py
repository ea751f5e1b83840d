"""Mutant: the producer is kept after a suspiciously slow commit, so a late EndTxn has its epoch."""

from __future__ import annotations

from consumer.kafka.outbox import ExactlyOnceOutbox


def apply() -> None:
    """Never suspects anything."""
    ExactlyOnceOutbox._suspect = property(lambda _: False, lambda _, __: None)  # type: ignore[assignment]  # noqa: SLF001
