"""What happens in the service, as events for observers: numbers and names, never a text, a key or an id.

An observer is called at once, on the thread where the event happens, which waits for it. It must not raise: that
is a bug and ends the process with exit code 70. Out of a rebalance callback it also destroys the batch just
fetched, which the next process reads again, since nothing is committed after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from shared.inference.types import BatchIsolated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.drift.features import Feature
    from shared.inference.types import Score
    from shared.reasons import Stage


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model answers. Once, on the main thread, before the group is joined; the fields of `Scorer.describe`."""

    name: str
    version: str
    engine: str
    device: str


@dataclass(frozen=True, slots=True)
class PartitionsAssigned:
    """The group gave partitions to this member. On the Kafka thread, in a callback of librdkafka."""

    partitions: tuple[str, ...]
    """Each as `topic-partition`."""
    owned: int
    """Partitions of this member after it."""


@dataclass(frozen=True, slots=True)
class PartitionsRevoked:
    """The group took partitions from this member, or it lost them. Thread and fields as `PartitionsAssigned`."""

    partitions: tuple[str, ...]
    owned: int


@dataclass(frozen=True, slots=True)
class BatchPublished:
    """All that was scored is written and committed. On the Kafka thread.

    Dead letters are counted here and have no event of their own: in a flood of bad records that would be one call
    for each record, and a letter counts only once it is committed.
    """

    records: int
    results: int
    dead_letters: Mapping[tuple[Stage, str], int]
    """Letters by stage and error: a `Reason`, or the broker's name for an error at stage `publish`."""
    nulls: int
    """Deletions that were skipped or forwarded."""
    unknown: int
    """Results with `unknown_share`: the model does not know enough of the text."""
    tokens: int
    """Tokens of texts that the model read."""
    computed_tokens: float
    """The same with padding."""
    repeated: int
    """Texts whose score was known."""
    scores: Sequence[Score] = field(repr=False)
    """Of the results, in their order."""
    unusable_ids: int
    """Texts with an id that cannot be one, such as an object, so that their results have the default id."""
    looks: Mapping[str, int]
    """With `--format auto` the records by what their values look like, unread ones included; else empty."""
    scored_after_s: float
    """From the read of the first record to the beginning of the publish."""
    publish_s: float
    lag_records: int
    """Offsets between what is committed and the ends of the owned partitions, as last heard."""

    @property
    def padding(self) -> float:
        """Share of computed tokens that were padding."""
        return 1 - self.tokens / self.computed_tokens if self.computed_tokens else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of the results of a window against the validation part of the model."""

    psi: float
    """Population stability index, from 0."""
    psi_limit: float
    """A window without drift exceeds one of the limits of all its comparisons with `drift.FALSE_ALARMS`."""
    js: float
    """Jensen-Shannon distance, from 0 to 1."""
    js_limit: float

    @property
    def exceeds(self) -> bool:
        """Whether chance alone hardly explains it."""
        return self.psi > self.psi_limit or self.js > self.js_limit


@dataclass(frozen=True, slots=True)
class DriftMeasured:
    """A window of `drift.window` results is full, and compared with the validation part of the model.

    On the Kafka thread, after the `BatchPublished` that filled it. It does not estimate the accuracy.
    """

    model: str
    """Version of the model."""
    texts: int
    labels: Mapping[str, float]
    """Share of each label."""
    means: Mapping[Feature, float]
    """Of confidence, entropy (as a share of the largest possible one), tokens and unknown share."""
    histograms: Mapping[Feature, tuple[int, ...]]
    """Texts in each bin of the model's reference statistics."""
    comparisons: Mapping[Feature, Comparison]

    @property
    def drifted(self) -> tuple[Feature, ...]:
        """What exceeds its limits; the window alarms if anything does."""
        return tuple(name for name, one in self.comparisons.items() if one.exceeds)


@dataclass(frozen=True, slots=True)
class Recovering:
    """A publish, commit or rebalance failed; the loop goes back to the last commit. On the Kafka thread."""

    reason: str
    """For people: it differs from failure to failure."""
    refused: str | None
    """The broker's name for what is wrong with a record; such a failure is not counted in `recent`."""
    recent: int | None
    """Failures within `limits.recovery_window_s`, this one included."""


Event: TypeAlias = (
    ModelLoaded
    | PartitionsAssigned
    | PartitionsRevoked
    | BatchPublished
    | DriftMeasured
    | BatchIsolated
    | Recovering
)
"""`BatchIsolated` belongs to `shared.inference`, which the trainer uses as well."""

Observer: TypeAlias = Callable[[Event], None]


def to_all(*observers: Observer) -> Observer:
    """An observer that passes each event to several, in this order."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe
