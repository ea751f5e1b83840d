"""The result of the suite, for metrics.json. Its sentences are our own, so the result may quote them."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

from trainer.evaluation.behaviour.cases import Kind  # noqa: TC001 - pydantic needs it at run time
from trainer.evaluation.metrics import wilson

EXAMPLES: Final = 3
"""Failed cases that a result shows for each test."""


class Failure(BaseModel, frozen=True):
    """A case that failed."""

    texts: list[str]
    """The text of an MFT, or the first two of which the answers contradict the test."""
    labels: list[str]
    """The answers, in the order of the texts."""


class BehaviourTestResult(BaseModel, frozen=True):
    """The cases of one test."""

    kind: Kind
    cases: int
    failures: int
    examples: list[Failure] = Field(default_factory=list)
    """The first failures, at most EXAMPLES."""

    @property
    def failure_rate(self) -> float:
        """Share of the cases."""
        return self.failures / self.cases


class CapabilityResult(BaseModel, frozen=True):
    """All cases of one capability; each test counts by its cases."""

    cases: int
    failures: int
    interval: tuple[float, float]
    """95 % interval of the failure rate (Wilson)."""
    tests: dict[str, BehaviourTestResult]
    left_out: dict[str, int]
    """Cases that were not tested, by reason."""

    @property
    def failure_rate(self) -> float:
        """Share of the cases."""
        return self.failures / self.cases


class Behaviour(BaseModel, frozen=True):
    """The result of the suite for one model."""

    suite: str
    """Version of the sentences; figures of different versions do not compare."""
    sentences: int
    engine: str
    """Library, precision and batching that scored the sentences; empty if skipped."""
    skipped: str | None = None
    """Why the suite was not run."""
    capabilities: dict[str, CapabilityResult] = Field(default_factory=dict)
    """In the order of the suite; without those of which no case could be tested."""

    def failure_rates(self) -> dict[str, float]:
        """By capability, with four digits."""
        return {name: round(result.failure_rate, 4) for name, result in self.capabilities.items()}


def interval(failures: int, cases: int) -> tuple[float, float]:
    """Wilson's 95 % interval: it is right for no failure and for few cases too."""
    low, high = wilson(failures, cases)
    return max(0.0, float(low)), min(1.0, float(high))  # rounding may lead beyond them


def capability_result(tests: dict[str, BehaviourTestResult], left_out: dict[str, int]) -> CapabilityResult | None:
    """The sum of some tests; None without a case."""
    cases = sum(test.cases for test in tests.values())
    failures = sum(test.failures for test in tests.values())
    if not cases:
        return None
    return CapabilityResult(
        cases=cases, failures=failures, interval=interval(failures, cases), tests=tests, left_out=left_out
    )
