"""Which limits are worth measuring, which are refused unmeasured, and which are the best. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final, Self

from shared.errors import SettingsError
from shared.inference import batching
from shared.kafka.transactions import TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.settings import ConsumerSettings

RECORDS: Final = (64, 256, 1_024, 4_096)
BUDGETS: Final = (0.25, 0.5, 1, 2)
"""Of the tokens of a pass at which the device is said to be at its best."""
AS_GOOD: Final = 0.98
"""Share of the best rate: settings that come as close differ by chance, so the smaller one is taken."""
POLL_INTERVAL_MS: Final = 300_000
"""librdkafka's default of max.poll.interval.ms."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """Two limits that `plan` chooses together. Ordered: a smaller setting keeps fewer records in flight."""

    batch_records: int
    batch_tokens: int


@dataclass(frozen=True, slots=True)
class Latency:
    """From a text's submission to its score, in seconds."""

    p50_s: float
    p99_s: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Of at least one measurement, by nearest rank: the least that this share does not exceed."""
        ranked = sorted(seconds)
        return cls(*(ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.99)))


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one setting at full load."""

    texts_per_s: float
    latency: Latency
    host_bytes: int
    device_bytes: int | None
    """None on a CPU."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A setting that was tried."""

    setting: Setting
    figures: Figures


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that must not be used, and why."""

    setting: Setting
    why: str


Trial = Measured | Refused


@dataclass(frozen=True, slots=True)
class Cost:
    """What a text as long as the model reads costs among its like: the worst that all in hand can be."""

    tokens: int
    text_s: float


@dataclass(frozen=True, slots=True)
class Survey:
    """All that is measured for one plan."""

    lengths: Sequence[int]
    """Of the sample's texts, in tokens."""
    idle: Latency
    """Of one text at a time."""
    longest: Cost
    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long the longest batch may be in hand."""

    seconds: float
    name: str

    def __str__(self) -> str:
        """For people."""
        return f"the {self.name} of {self.seconds:,.0f} s"


@dataclass(frozen=True, slots=True)
class Target:
    """What the slowest texts but one in a hundred may take, in seconds."""

    p99_s: float
    commit_interval_s: float
    """How long a score may wait for its publish."""

    def p99_of(self, figures: Figures) -> float:
        """Seconds from a text's submission to its publish."""
        return figures.latency.p99_s + self.commit_interval_s


def grid(
    lengths: Sequence[int], *, full_tokens: int, current: Setting, inflight: int, padding: int | None
) -> list[Setting]:
    """The settings to be measured, the current one among them, those that need less memory first.

    Left out are token budgets under which a window of texts of these lengths is cut as under the next smaller one.
    """
    budgets = sorted({max(1, int(full_tokens * share)) for share in BUDGETS})
    found = {current}
    for records in RECORDS:
        window = list(islice(cycle(lengths), records * inflight))
        smaller: list[list[int]] = []
        for tokens in budgets:
            batches = batching.make_batches(window, tokens, padding=padding)
            if batches != smaller:
                found.add(Setting(records, tokens))
            smaller = batches
    return sorted(found, key=lambda setting: (setting.batch_tokens, setting.batch_records))


def deadline(settings: ConsumerSettings) -> Deadline:
    """The first thing that a batch in hand for too long could breach."""
    poll_ms = settings.kafka.properties.get("max.poll.interval.ms", POLL_INTERVAL_MS)
    found = [Deadline(poll_ms / 1000, "poll interval")]
    if settings.delivery == "exactly-once":
        found.append(Deadline(TRANSACTION_TIMEOUT_MS / 1000, "transaction timeout"))
    return min(found, key=lambda one: one.seconds)


def refusal(setting: Setting, *, longest: Cost, inflight: int, limit: Deadline) -> Refused | None:
    """Says no to a setting that could have texts in hand for longer than the limit, were all of the longest."""
    # Cautious: the loop polls while it scores, and a transaction is open only around a publish. But a crash
    # repeats as much work.
    worst_s = inflight * setting.batch_records * longest.text_s
    return Refused(setting, f"worst batch {worst_s:,.0f} s") if worst_s > limit.seconds else None


def recommend(trials: Sequence[Trial], limit: Deadline, target: Target | None = None) -> Measured:
    """The smallest setting that is as good as the fastest, of those within the target.

    Raises SettingsError where none is, with the best that can be had.
    """
    measured = [trial for trial in trials if isinstance(trial, Measured)]
    if not measured:
        raise SettingsError(
            "no setting can be recommended: each runs out of memory or could hold texts for longer than "
            f"{limit}; lower limits.inflight_batches, train with fewer max_tokens, "
            "or take a faster device"
        )
    if target is not None:
        within = [trial for trial in measured if target.p99_of(trial.figures) <= target.p99_s]
        if not within:
            raise SettingsError(_missed(target, min(measured, key=lambda trial: target.p99_of(trial.figures))))
        measured = within
    best = max(trial.figures.texts_per_s for trial in measured)
    as_good = [trial for trial in measured if trial.figures.texts_per_s >= AS_GOOD * best]
    return min(as_good, key=lambda trial: trial.setting)


def _missed(target: Target, nearest: Measured) -> str:
    setting, figures = nearest.setting, nearest.figures
    return (
        f"no setting keeps p99 within {target.p99_s * 1000:,.0f} ms: the least is "
        f"{math.ceil(target.p99_of(figures) * 1000):,} ms, {target.commit_interval_s * 1000:,.0f} ms of it for "
        f"publishing (limits.commit_interval_s), with limits.batch_records {setting.batch_records}, "
        f"limits.batch_tokens {setting.batch_tokens} and {figures.texts_per_s:,.0f} texts/s; give a larger "
        "--target-p99, or lower limits.commit_interval_s or limits.inflight_batches"
    )
