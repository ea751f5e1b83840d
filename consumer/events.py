"""What happens in the service, as events for observers: numbers and names, never a text, a key or an id.

An observer is called at once, on the thread where the event happens, which waits for it. It must not raise: that
is a bug and ends the process with exit code 70. Out of a rebalance callback it also destroys the batch just
fetched, which the next process reads again, since nothing is committed after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from shared.inference.types import BatchIsolated

if TYPE_CHECKING:
    from collections.abc import Mapping

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
class Recovering:
    """A publish, commit or rebalance failed; the loop goes back to the last commit. On the Kafka thread."""

    reason: str
    """For people: it differs from failure to failure."""
    refused: str | None
    """The broker's name for what is wrong with a record; such a failure is not counted in `recent`."""
    recent: int | None
    """Failures within `limits.recovery_window_s`, this one included."""


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """A scoring request over HTTP was answered, or its client has left. On the HTTP thread."""

    status: int
    """Of HTTP; 499, as nginx counts it, for a client that left before its answer."""
    reason: str
    """`Reason` of `consumer.http.problems`; empty with scores; without an answer `client_left` or `stopping`."""
    texts: int
    """Texts of its body, as far as it was read; 0 if it was not."""
    seconds: float
    """From the head of the request to the answer."""


Event: TypeAlias = (
    ModelLoaded
    | PartitionsAssigned
    | PartitionsRevoked
    | BatchPublished
    | BatchIsolated
    | Recovering
    | RequestAnswered
)
"""`BatchIsolated` belongs to `shared.inference`, which the trainer uses as well."""

Observer: TypeAlias = Callable[[Event], None]


def to_all(*observers: Observer) -> Observer:
    """An observer that passes each event to several, in this order."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe
