"""Mutant: a clean stop counts against the records in flight, as a crash does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.kafka.crash_loop import CrashLoop
from tests.chaos.patching import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.kafka.commit_metadata import Place
    from consumer.stream.records import Record


def apply() -> None:
    """Never undoes a count, neither at a clean stop nor after the pass of a record that was scored alone."""

    def withdraw(self: CrashLoop, places: Iterable[Place]) -> None:
        self.forget(places)

    def survived(_self: CrashLoop, _record: Record) -> None:
        """Does nothing."""

    replace(CrashLoop, "withdraw", withdraw)
    replace(CrashLoop, "survived", survived)
