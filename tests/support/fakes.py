"""Kafka, the model and the clock in memory, for tests of the code between them.

The contract suite runs against these and against the real ones. A unit test may rely only on what it shows of
both. A `FakeSource` is a member of a group on a `FakeKafka`, so commits, the owners of partitions and the
contents of the output topics are one consistent state.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from consumer.events import BatchPublished
from consumer.kafka.commit_metadata import Commit
from consumer.kafka.crash_loop import CrashLoop
from consumer.preflight.topic_config import Targets, TopicConfig
from consumer.stream.records import Ownership, PublishFailed, Record
from shared.inference.types import ModelIdentity, Score, Unscorable
from shared.reasons import Reason

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.kafka.commit_metadata import CommitMetadata
    from consumer.stream.records import Outgoing
    from shared.messages import Headers

LABELS: Final = ("negative", "neutral", "positive")
INPUT: Final = "texts"
OUTPUT: Final = "sentiments"
DLQ: Final = "sentiments.dlq"
TARGETS: Final = Targets(TopicConfig(OUTPUT), TopicConfig(DLQ))
"""Topics about which the broker reports nothing."""
TIMESTAMP_MS: Final = 1_700_000_000_000
GATE_S: Final = 20.0
"""A gate that nobody opens lets the scorer pass after this time, so that a failing test ends."""

Place = tuple[str, int]
"""Topic and partition."""


def record(
    value: bytes | None = b'{"text": "fine"}',
    *,
    topic: str = INPUT,
    partition: int = 0,
    offset: int = 0,
    timestamp_ms: int | None = TIMESTAMP_MS,
    key: bytes | None = None,
    headers: Headers = (),
    owner: Ownership | None = None,
) -> Record:
    """Builds a record as a source would have read it."""
    return Record(topic, partition, offset, timestamp_ms, key, value, headers, owner or Ownership())


def published(records: Sequence[Any], **changes: Any) -> BatchPublished:
    """Builds the event of a publish, by default of no micro-batch that was submitted before."""
    fields: dict[str, Any] = {
        "batches": 0,
        "records": records,
        "scores": [],
        "dead_letters": {},
        "nulls": 0,
        "forwarded": 0,
        "uncertain": 0,
        "unknown": 0,
        "tokens": 0,
        "computed_tokens": 0.0,
        "repeated": 0,
        "unusable_ids": 0,
        "looks": {},
        "scored_after_s": 0.01,
        "publish_s": 0.02,
        "lag_records": 0,
    }
    return BatchPublished(**fields | changes)


def text_value(text: str) -> bytes:
    """An input value in the service's own format."""
    return json.dumps({"text": text}).encode()


UNKNOWN: Final = "\u4eca\u5929"
"""A text that the oracle does not know."""
ORACLE: Final = ModelIdentity("oracle", "1", LABELS)


def oracle(text: str) -> Score:
    """The score that FakeScorer gives to a text; different for nearly every text."""
    weights = [1 + byte for byte in hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:3]]
    tokens = 2 + len(text.split())
    shares, unknown = tuple(weight / sum(weights) for weight in weights), float(text == UNKNOWN)
    return Score(
        shares, shares.index(max(shares)), tokens, tokens, truncated=False, model=ORACLE, unknown_share=unknown
    )


UNSCORABLE: Final = Unscorable(Reason.FORWARD_PASS_FAILED, "the fake cannot score it")
"""FakeScorer's answer to a text in its list of unscorable texts."""


class FakeScorer:
    """Answers with `oracle` or raises; the n-th call first waits at the n-th gate, later ones at the last.

    Its rows are the texts themselves.
    """

    model = ORACLE
    concurrency = 1
    batch_tokens = 100_000
    padding = None

    def __init__(
        self,
        *,
        gates: Sequence[threading.Event] = (),
        error: Exception | None = None,
        unscorable: Collection[str] = (),
    ) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._gates = gates
        self._error = error
        self._unscorable = unscorable

    def normalise(self, text: str) -> str:
        """Returns the text unchanged."""
        return text

    def tokenise(self, texts: Sequence[str]) -> list[str | Unscorable]:
        """Refuses the unscorable texts."""
        return [UNSCORABLE if text in self._unscorable else text for text in texts]

    def forward(self, rows: Sequence[str]) -> list[Score | None]:
        """Records the call, waits at the gate, answers in input order."""
        self.calls.append(tuple(rows))
        if self._gates:
            self._gates[min(len(self.calls), len(self._gates)) - 1].wait(GATE_S)
        if self._error is not None:
            raise self._error
        return [oracle(row) for row in rows]

    def describe(self) -> dict[str, str]:
        """Reports itself as a fake."""
        return {"name": "oracle", "version": "1", "engine": "fake", "device": "none"}


class FakeClock:
    """A monotonic clock that advances by `step_s` at every reading."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s = 0.0
        self._step_s = step_s

    def __call__(self) -> float:
        """Returns the time and advances."""
        self.now_s += self._step_s
        return self.now_s


@dataclass(frozen=True, slots=True)
class Written:
    """One record of a topic as a reader finds it."""

    partition: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class _Group:
    members: list[FakeSource] = field(default_factory=list)
    assigned: dict[Place, FakeSource | None] = field(default_factory=dict)
    """The future owner of a partition; takes effect when the members read, as in Kafka."""
    held: dict[Place, FakeSource] = field(default_factory=dict)
    committed: dict[Place, int] = field(default_factory=dict)


class FakeKafka:
    """Topics and groups. `max_bytes` is the size of the largest accepted record."""

    def __init__(self, topics: dict[str, int] | None = None, *, max_bytes: int = 1_000_000) -> None:
        self.max_bytes = max_bytes
        self._logs: dict[str, list[list[Written]]] = {}
        self._groups: dict[str, _Group] = {}
        for topic, partitions in (topics or {INPUT: 2, OUTPUT: 2, DLQ: 1}).items():
            self._logs[topic] = [[] for _ in range(partitions)]

    def produce(
        self,
        value: bytes | None,
        *,
        topic: str = INPUT,
        partition: int = 0,
        timestamp_ms: int = TIMESTAMP_MS,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> None:
        """Appends one record; a timestamp of 0 means now."""
        stamp = timestamp_ms or int(time.time() * 1000)
        self._logs[topic][partition].append(Written(partition, stamp, key, value, headers))

    def partitions(self, topic: str) -> list[list[Written]]:
        """All records of a topic, by partition."""
        return self._logs[topic]

    def group(self, name: str) -> _Group:
        """The group of that name; the first request creates it."""
        return self._groups.setdefault(name, _Group())


class FakeSource:
    """A member of a group. A read takes one record of each partition in turn and never waits."""

    def __init__(
        self,
        kafka: FakeKafka,
        *,
        topics: Iterable[str] = (INPUT,),
        group: str = "sentiment",
        start: str = "earliest",
    ) -> None:
        self.joined = False
        self.is_probing = False
        self.in_doubt = False
        """Whether the broker does not say where the partitions begin or end."""
        self.reads = 0
        self.reads_while_paused = 0
        self.rewinds = 0
        self.on_read: Callable[[], None] | None = None
        """Called within every read, after a rebalance and before records are taken."""
        self._kafka = kafka
        self._topics = tuple(topics)
        self._group = kafka.group(group)
        self._start = start
        self._paused = False
        self._owned: dict[Place, Ownership] = {}
        self._positions: dict[Place, int] = {}
        self._first: dict[Place, int] = {}
        """Where reading began, for the owned partitions."""
        self.crash_loop = CrashLoop(
            max_crashes=3,
            reach=10_000,
            group=group,
            ask=lambda _: [],
            commit=lambda _: None,
            ends=lambda _: {},
        )
        """Never contains a partition, so that it suspects nothing."""

    def subscribe(self) -> None:
        """Joins the group; the members share the partitions evenly from their next reads on."""
        self._group.members.append(self)
        self._share()

    def assign(self, partition: int, topic: str = INPUT) -> None:
        """Gives one partition to this member from its next read on, once its owner has let it go."""
        self._group.assigned[topic, partition] = self

    def revoke(self, partition: int, topic: str = INPUT) -> None:
        """Takes one partition from this member at its next read."""
        self._group.assigned[topic, partition] = None

    def read(self, max_records: int, wait_s: float) -> list[Record]:  # noqa: ARG002 - never waits
        """Returns the available records."""
        self.reads += 1
        self._rebalance()
        if self.on_read is not None:
            self.on_read()
        if self._paused:
            self.reads_while_paused += 1
            return []
        rows = zip_longest(*(self._ahead(place, max_records) for place in self._owned))
        taken = [one for row in rows for one in row if one is not None][:max_records]
        for one in taken:
            self._positions[one.topic, one.partition] = one.offset + 1
            self._first.setdefault((one.topic, one.partition), one.offset)
        return taken

    def pause(self) -> None:
        """Yields nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Ends `pause`."""
        self._paused = False

    def begin(self, *, alone: bool) -> list[Commit]:  # noqa: ARG002
        """Does nothing: assigned partitions are read at once."""
        return []

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commits; any member may, whether or not it owns the partition."""
        if self not in self._group.members:
            raise PublishFailed("not a member of the group")
        for one in commits:
            self._group.committed[one.place] = max(self._group.committed.get(one.place, 0), one.offset)

    def commits_after(self, records: Sequence[Record]) -> list[Commit]:
        """The offset after the last record of each partition."""
        last = {(one.topic, one.partition): one for one in records}
        return [Commit(place, one.offset + 1) for place, one in last.items()]

    def commits_at_ends(self) -> list[Commit]:
        """None: nothing follows a last record here."""
        return []

    def published(self, commits: Sequence[Commit], records: Sequence[Record]) -> None:
        """Does nothing: nothing is counted."""

    def rewind(self) -> None:
        """Goes back to the last commit, or to where this member began; all tokens are new."""
        self.rewinds += 1
        for place, owner in self._owned.items():
            begin = self._first.get(place, self._begin(place))
            self._positions[place] = self._group.committed.get(place, begin)
            owner.held = False
            self._owned[place] = Ownership()

    def caught_up(self) -> bool:
        """Whether nothing is left of the owned partitions, nor in doubt."""
        return not self.in_doubt and self.lag_records() == 0

    def lag_records(self) -> int:
        """Number of records that the owned partitions hold from the next one on."""
        return sum(len(self._log(place)) - self._positions[place] for place in self._owned)

    def close(self, mark: Callable[[CommitMetadata], CommitMetadata] | None = None) -> None:  # noqa: ARG002
        """Leaves the group."""
        for place in list(self._owned):
            self._owned.pop(place).held = False
        self._group.held = {place: owner for place, owner in self._group.held.items() if owner is not self}
        if self in self._group.members:
            self._group.members.remove(self)
        self._share()

    def _share(self) -> None:
        members = self._group.members
        places = [(topic, index) for topic in self._topics for index in range(len(self._kafka.partitions(topic)))]
        for number, place in enumerate(places):
            self._group.assigned[place] = members[number % len(members)] if members else None

    def _rebalance(self) -> None:
        if self in self._group.members:
            self.joined = True
        for place, wanted in self._group.assigned.items():
            if wanted is not self and place in self._owned:
                self._owned.pop(place).held = False
                self._first.pop(place, None)
                del self._group.held[place]
            elif wanted is self and place not in self._group.held:
                self._group.held[place] = self
                begin = self._group.committed.get(place, self._begin(place))
                if place in self._group.committed or self._start == "latest":
                    self._first[place] = begin
                self._positions[place] = begin
                self._owned[place] = Ownership()

    def _begin(self, place: Place) -> int:
        return 0 if self._start == "earliest" else len(self._log(place))

    def _log(self, place: Place) -> list[Written]:
        topic, partition = place
        return self._kafka.partitions(topic)[partition]

    def _ahead(self, place: Place, count: int) -> list[Record]:
        begin = self._positions[place]
        found = self._log(place)[begin : begin + count]
        owner = self._owned[place]
        return [
            Record(*place, offset, one.timestamp_ms, one.key, one.value, one.headers, owner)
            for offset, one in enumerate(found, start=begin)
        ]


class FakeOutbox:
    """Publishes a whole batch together with its offsets, or nothing; broken after a failure until reset."""

    def __init__(
        self, kafka: FakeKafka, source: FakeSource, *, output_topic: str = OUTPUT, dlq_topic: str = DLQ
    ) -> None:
        self.publishes = 0
        self.resets = 0
        self.closed = False
        self.fail_at: set[int] = set()
        """Numbers, from 1, of the publishes that fail."""
        self.refuse: set[tuple[str, int, int]] = set()
        """Topic, partition and offset of inputs whose results the broker always refuses."""
        self.refuse_letters = False
        """Whether it refuses their dead letters too."""
        self.fail_resets = 0
        """How many of the next resets fail."""
        self._kafka = kafka
        self._source = source
        self._topics = (output_topic, dlq_topic)
        self._broken = False

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit]
    ) -> None:
        """Writes and commits at once, or raises PublishFailed and does neither."""
        self.publishes += 1
        outgoing = list(zip((results, dead_letters), self._topics, strict=True))
        too_large = any(one.size > self._kafka.max_bytes for batch, _ in outgoing for one in batch)
        candidates = [*results, *(dead_letters if self.refuse_letters else ())]
        if any((one.source.topic, one.source.partition, one.source.offset) in self.refuse for one in candidates):
            self._broken = True
            raise PublishFailed("a record is refused", refused="INVALID_RECORD")
        if self._broken or too_large or self.publishes in self.fail_at:
            self._broken = True
            raise PublishFailed(f"publish {self.publishes} fails")
        self._source.commit(commits)
        for batch, topic in outgoing:
            for one in batch:
                self._write(topic, one)

    def reset(self) -> None:
        """Repairs the outbox."""
        if self.fail_resets:
            self.fail_resets -= 1
            raise PublishFailed("the reset fails")
        self.resets += 1
        self._broken = False

    def close(self) -> None:
        """Records that it was closed."""
        self.closed = True

    def _write(self, topic: str, outgoing: Outgoing) -> None:
        partition = outgoing.source.partition % len(self._kafka.partitions(topic))
        self._kafka.produce(
            outgoing.value,
            topic=topic,
            partition=partition,
            timestamp_ms=outgoing.timestamp_ms,
            key=outgoing.source.key,
            headers=outgoing.headers,
        )
