"""Measures limits with the threads that serve, and their memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from consumer.plan.choice import Cost, Measured, Refused, Setting
from consumer.plan.measure import Meter
from shared.errors import ScorerError
from shared.inference.isolation import OutOfMemory
from shared.inference.memory import PeakMemory
from tests.support.fakes import FakeScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.types import Score

MOST_ROWS = 8


class FakeMemory:
    """Known peaks."""

    resets = 0

    def reset(self) -> None:
        """Counts."""
        self.resets += 1

    def host_bytes(self) -> int:
        """One byte for each reset."""
        return self.resets

    def device_bytes(self) -> int | None:
        """As on a CPU."""
        return None


class SmallScorer(FakeScorer):
    """Runs out of memory in a pass of more than MOST_ROWS rows."""

    def forward(self, rows: Sequence[str]) -> list[Score | None]:
        """Refuses many rows."""
        if len(rows) > MOST_ROWS:
            raise OutOfMemory
        return super().forward(rows)


def meter(scorer: FakeScorer, texts: Sequence[str] = ("same",), inflight: int = 2) -> Meter:
    """Measures for a millisecond each."""
    return Meter(scorer, texts, inflight=inflight, seconds=0.001, memory=FakeMemory())


def test_equal_texts_are_computed_each_time() -> None:
    """Given a sample of one text, when batches of 16 are measured, then each pass has 16 rows or more."""
    scorer = FakeScorer()

    trial = meter(scorer).full_load(Setting(16, 10_000))

    assert isinstance(trial, Measured)
    assert trial.figures.texts_per_s > 0
    assert 0 < trial.figures.latency.p50_s <= trial.figures.latency.p99_s
    assert (trial.figures.host_bytes, trial.figures.device_bytes) == (1, None)
    assert {row for call in scorer.calls for row in call} == {"same"}
    assert all(len(call) % 16 == 0 for call in scorer.calls)


def test_the_budget_that_is_measured_is_the_one_in_use() -> None:
    """Given a budget of 20 tokens and texts of 4, when measured, then passes have 5 rows at most."""
    scorer = FakeScorer()

    meter(scorer).full_load(Setting(16, 20))

    assert max(map(len, scorer.calls)) == 5


def test_a_setting_that_runs_out_of_memory_is_refused() -> None:
    """Given a device with room for 8 rows, when passes of 16 are measured, then that is refused, and 8 are not."""
    small = meter(SmallScorer())

    assert small.full_load(Setting(16, 10_000)) == Refused(Setting(16, 10_000), "out of memory")
    assert isinstance(small.full_load(Setting(16, 4 * MOST_ROWS)), Measured)


def test_a_text_alone_is_a_pass_of_its_own() -> None:
    """Given a sample, when measured one at a time, then each pass has one row."""
    scorer = FakeScorer()

    latency = meter(scorer, ["a", "b"]).one_at_a_time()

    assert 0 < latency.p50_s <= latency.p99_s
    assert {len(call) for call in scorer.calls} == {1}


def test_the_longest_texts_fill_their_passes() -> None:
    """Given texts of 1,000 words and a device for 100,000 tokens, when measured, then 100 are computed at once."""
    scorer = FakeScorer()

    cost = meter(scorer).longest_text(1_000)

    assert cost == Cost(2 + 1_000, cost.text_s)
    assert cost.text_s > 0
    assert max(map(len, scorer.calls)) <= 100
    assert sum(map(len, scorer.calls)) % 100 == 0


@pytest.mark.parametrize("broken", [ScorerError("the device is gone")])
def test_a_device_that_fails_ends_the_measurement(broken: Exception) -> None:
    """Given a device that fails, when measured, then its error is raised."""
    with pytest.raises(ScorerError, match="the device is gone"):
        meter(FakeScorer(error=broken)).full_load(Setting(4, 100))


def test_a_peak_counts_what_was_held_since_the_reset() -> None:
    """Given 100 MB that were held for a moment, when read, then the peak includes them until a reset."""
    memory, size = PeakMemory("cpu"), 100_000_000
    memory.reset()
    before = memory.host_bytes()
    np.ones(size, np.uint8).sum()

    assert memory.host_bytes() > before + size // 2
    assert memory.device_bytes() is None
    if os.access(Path("/proc/self/clear_refs"), os.W_OK):
        memory.reset()
        assert memory.host_bytes() < before + size // 2
