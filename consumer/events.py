"""What happens in the service, as events for observers: numbers and names, never a text, a key or an id.

An observer is called at once, on the thread where the event happens, which waits for it. It must not raise: that
is a bug and ends the process with exit code 70. Out of a rebalance callback it also destroys the batch just
fetched, which the next process reads again, since nothing is committed after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from shared.inference.types import BatchIsolated, PassRun, TextsTokenised

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.kafka.commit_metadata import Place
    from shared.drift.features import Feature
    from shared.inference.types import Score
    from shared.messages import Headers
    from shared.reasons import Stage


class Position(Protocol):
    """What an observer may know of a record: where it is, from when, and its headers. Every `Record` is one.

    Records are passed as they are, since a copy of these fields took 0.15 us a record; key and value are not for
    observers, and of the headers only those of the trace context.
    """

    @property
    def topic(self) -> str:
        """The input topic."""
        ...

    @property
    def partition(self) -> int:
        """Its number."""
        ...

    @property
    def offset(self) -> int:
        """Within the partition."""
        ...

    @property
    def timestamp_ms(self) -> int | None:
        """Epoch milliseconds, of the producer or of the broker."""
        ...

    @property
    def headers(self) -> Headers:
        """As read."""
        ...


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

    partitions: tuple[Place, ...]
    owned: int
    """Partitions of this member after it."""


@dataclass(frozen=True, slots=True)
class PartitionsRevoked:
    """The group took partitions from this member, or it lost them. Thread and fields as `PartitionsAssigned`."""

    partitions: tuple[Place, ...]
    owned: int
    is_lost: bool = False
    """Whether the group had given them away already, as after a session timeout."""


@dataclass(frozen=True, slots=True)
class PartitionsBegun:
    """Reading begins at the group's commits, or once more there after a recovery. On the Kafka thread."""

    offsets: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class BatchSubmitted:
    """A micro-batch was read, decoded and handed to the scorer. On the Kafka thread."""

    records: Sequence[Position] = field(repr=False)
    """In order per partition."""
    size: int
    """Bytes of keys, values and headers."""
    read_wait_s: float
    """How long the read took that brought the last of them."""
    decode_s: float


@dataclass(frozen=True, slots=True)
class BatchDropped:
    """Nothing of the oldest micro-batches is still this member's. On the Kafka thread."""

    batches: int
    records: int


@dataclass(frozen=True, slots=True)
class OutputWritten:
    """The brokers have all records of a publish, if it has any; its offsets are committed next.

    On the Kafka thread. With exactly-once it is still open whether readers will see them.
    """

    results: int
    """Results and nulls that are forwarded."""
    dead_letters: Sequence[Position] = field(repr=False)
    """The records that became one."""
    places: Collection[Place]
    """The partitions whose offsets are committed."""
    send_s: float
    """From the first record to the last acknowledgement."""


@dataclass(frozen=True, slots=True)
class OffsetsCommitted:
    """The group has moved on, with a publish or past what no reader is given. On the Kafka thread."""

    offsets: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class TransactionChanged:
    """A transaction of the output was begun, committed, or taken back. On the Kafka thread.

    `aborted` includes one whose end Kafka did not confirm: the next producer of the same id ends it.
    """

    state: Literal["begun", "committed", "aborted"]


@dataclass(frozen=True, slots=True)
class CrashLoopFound:
    """Runs before this one crashed again and again from this record on. On the Kafka thread."""

    partition: Place
    offset: int
    crashes: int
    alone: int
    """Runs that crashed while they scored the record alone."""
    is_condemned: bool
    """Whether the record is the cause and becomes a dead letter; else records are scored one by one to find it."""


@dataclass(frozen=True, slots=True)
class BatchPublished:
    """All that was scored is written and committed. On the Kafka thread.

    Dead letters are counted here and have no event of their own: in a flood of bad records that would be one call
    for each record, and a letter counts only once it is committed.
    """

    batches: int
    """The oldest micro-batches in hand, which this publish ends."""
    records: Sequence[Position] = field(repr=False)
    """What was read of the input, whatever became of it, in order per partition."""
    scores: Sequence[Score] = field(repr=False)
    """Of the results, in their order."""
    dead_letters: Mapping[tuple[Stage, str], int]
    """Letters by stage and error: a `Reason`, or the broker's name for an error at stage `publish`."""
    nulls: int
    """Deletions that were skipped or forwarded."""
    forwarded: int
    """Those of `nulls` that are in the output topic."""
    uncertain: int
    """Results that are marked uncertain."""
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
    """Offsets between what is read and the ends of the owned partitions, as the client last heard.

    `monitoring.lag` has that of the commit.
    """

    @property
    def results(self) -> int:
        """Results that were written."""
        return len(self.scores)

    @property
    def padding(self) -> float:
        """Share of computed tokens that were padding."""
        return 1 - self.tokens / self.computed_tokens if self.computed_tokens else 0.0


@dataclass(frozen=True, slots=True)
class BatchUncommitted:
    """All of it is written, but the commit failed, as in a rebalance: with at-least-once it is written again.

    On the Kafka thread, before `Recovering`.
    """

    written: BatchPublished
    """What is in the output topics, as if it had been committed."""


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
    | PartitionsBegun
    | BatchSubmitted
    | TextsTokenised
    | PassRun
    | BatchIsolated
    | BatchPublished
    | BatchUncommitted
    | BatchDropped
    | OutputWritten
    | DriftMeasured
    | OffsetsCommitted
    | TransactionChanged
    | CrashLoopFound
    | Recovering
    | RequestAnswered
)
"""Three of them belong to `shared.inference`, which the trainer uses as well."""

Observer: TypeAlias = Callable[[Event], None]


def to_all(*observers: Observer) -> Observer:
    """An observer that passes each event to several, in this order."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe
