"""The decisions of a replay: its letters, its rate, and when to begin again. Kafka is tested elsewhere."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumer.dlq import replay as module
from consumer.dlq.letters import Index, Wanted
from consumer.dlq.replay import CHUNK_BYTES, CHUNK_LETTERS, LeftBehind, Pacer, Plan, Replay, Request, plan, preview
from consumer.dlq.replay_writer import RecordRefused
from consumer.settings import ConsumerSettings
from shared.dlq.letters import Letter, Origin, Place
from shared.errors import KafkaStateError
from tests.support.fakes import FakeClock
from tests.unit.consumer.dlq.test_letters import envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from consumer.dlq.replay_targets import Target
    from shared.dlq.letters import Envelope

SETTINGS = ConsumerSettings()


class FakeTopic:
    """Letters in memory, and the origins that have receipts."""

    name = SETTINGS.dlq_topic

    def __init__(
        self,
        envelopes: list[Envelope],
        *,
        value: bytes = b"v",
        config: dict[str, str] | None = None,
        missing: Collection[str] = (),
    ) -> None:
        self.envelopes = envelopes
        self.replayed: dict[Origin, list[str]] = {}
        self.indexed = 0
        self._value = value
        self._config = config or {}
        self._missing = missing

    def __enter__(self) -> Self:
        """Needs no preparation."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stays open."""

    def index(self, *, complete: bool = False) -> Index:  # noqa: ARG002 - nothing is ever open here
        """All current letters."""
        self.indexed += 1
        return Index(self.envelopes, dict(self.replayed))

    def letters(self, places: Collection[Place]) -> Iterator[Letter]:
        """The requested letters."""
        for one in self.envelopes:
            if one.place in places:
                yield Letter(one, None, self._value, (), ())

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """One letter of each kind."""
        (name,) = topics
        if name in self._missing:
            raise KafkaStateError(f"no such topic: {name}")
        return {name: 1}

    def config_of(self, _topic: str) -> dict[str, str]:
        """The configured answer."""
        return self._config


class FakeWriter:
    """Records the written letters and their receipts; the first writer's commits may be slow.

    A transaction is empty if one of its records is refused.
    """

    def __init__(
        self, topic: FakeTopic, after: Callable[[], object], refused: Collection[Place], *, suspect: bool
    ) -> None:
        self.suspect = False
        self.chunks: list[list[tuple[Place, str]]] = []
        self.refusals = 0
        self._topic = topic
        self._after = after
        self._becomes_suspect = suspect
        self._refused = refused

    def __enter__(self) -> Self:
        """Takes over."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""

    def write(self, letters: Sequence[tuple[Letter, Target]]) -> None:
        """Writes all letters or none."""
        if any(letter.envelope.place in self._refused for letter, _ in letters):
            self.refusals += 1
            raise RecordRefused("refused")
        self.chunks.append([(letter.envelope.place, target.name) for letter, target in letters])
        for letter, target in letters:
            self._topic.replayed.setdefault(letter.envelope.origin, []).append(target.name)
        self.suspect = self._becomes_suspect
        self._after()


class Stage:
    """Replaces Kafka with the fakes; `writers` are the created writers, in order."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        topic: FakeTopic,
        *,
        suspects: int = 0,
        refused: Collection[Place] = (),
    ) -> None:
        self.topic = topic
        self.writers: list[FakeWriter] = []
        self.stop = threading.Event()
        self.after: Callable[[], object] = lambda: None

        def writer(_settings: object) -> FakeWriter:
            made = FakeWriter(topic, self.after, refused, suspect=len(self.writers) < suspects)
            self.writers.append(made)
            return made

        monkeypatch.setattr(module, "DeadLetterTopic", lambda _settings: topic)
        monkeypatch.setattr(module, "TransactionalWriter", writer)

    def replay(self, request: Request | None = None, per_s: float | None = None) -> module.Outcome:
        """Runs a replay that never waits."""
        pacer = Pacer(per_s, wait=lambda _s: None, clock=FakeClock())
        return Replay(SETTINGS, request or Request(), pacer=pacer, stop=self.stop).run()

    @property
    def chunks(self) -> list[list[tuple[Place, str]]]:
        """All written letters."""
        return [chunk for writer in self.writers for chunk in writer.chunks]


def letters(count: int) -> list[Envelope]:
    """Letters about that number of inputs, oldest first."""
    return [envelope(Place(0, number), number) for number in range(count)]


def places(envelopes: Iterable[Envelope]) -> list[int]:
    """Their offsets."""
    return [one.place.offset for one in envelopes]


def test_each_letter_is_chosen_counted_or_reported_once() -> None:
    """Given letters of all kinds, when planned, then each is in exactly one part of the plan."""
    new, done, left, repeated, unwanted = letters(5)
    left = envelope(left.place, 2, value_left_bytes=9)
    repeated = envelope(repeated.place, 3, origin=new.origin)
    unwanted = envelope(unwanted.place, 4, stage="encode")
    index = Index([new, done, left, repeated, unwanted], {done.origin: ["texts"]})

    too_large = LeftBehind(left, "it was too large to travel with the letter (9 bytes of value)")
    assert plan(index, Request(Wanted(stage="decode"))) == Plan([new], [too_large], replayed_before=1, repeated=1)
    assert plan(index, Request(Wanted(stage="decode"), again=True)).chosen == [new, done]
    assert plan(index, Request(Wanted(stage="decode"), again=True), {done.origin}).chosen == [new]
    assert plan(index, Request(Wanted(stage="decode")), {new.origin}) == Plan([], [too_large], 1, 1)
    assert plan(index, Request(Wanted(stage="decode")), refusal=lambda _: "no").left_behind == [
        *(LeftBehind(new, "no"), too_large, LeftBehind(repeated, "no")),
    ]


def test_a_limit_counts_what_is_replayed_and_takes_the_oldest() -> None:
    """Given a limit, when planned, also in a later round, then the oldest replayable letters are chosen."""
    index = Index([envelope(Place(0, 9), 0, value_left_bytes=1), *letters(5)], {letters(5)[0].origin: ["texts"]})

    assert places(plan(index, Request(limit=2)).chosen) == [1, 2]
    assert places(plan(index, Request(limit=2), {letters(5)[1].origin}).chosen) == [2]


def test_every_letter_goes_to_where_it_came_from_or_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given inputs of two topics, when replayed, then each goes to its own topic, or with --to all to that one."""
    some = [envelope(Place(0, n), n, origin=Origin(topic, 0, n, 9)) for n, topic in enumerate(["a", "b", "a"])]
    assert Stage(monkeypatch, FakeTopic(some)).replay().replayed == {"a": 2, "b": 1}
    assert Stage(monkeypatch, FakeTopic(some)).replay(Request(to="c")).replayed == {"c": 3}


def test_chunks_end_at_their_letters_their_bytes_or_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given many letters, large ones or a rate, when replayed, then no transaction is longer than allowed."""
    stage = Stage(monkeypatch, FakeTopic(letters(CHUNK_LETTERS + 1)))
    stage.replay()
    assert [len(chunk) for chunk in stage.chunks] == [CHUNK_LETTERS, 1]

    stage = Stage(monkeypatch, FakeTopic(letters(5), value=b"x" * (CHUNK_BYTES // 2)))
    stage.replay()
    assert [len(chunk) for chunk in stage.chunks] == [2, 2, 1]

    stage = Stage(monkeypatch, FakeTopic(letters(5)))
    stage.replay(per_s=2)
    assert [len(chunk) for chunk in stage.chunks] == [2, 2, 1]


def test_a_pacer_spaces_letters_and_makes_up_for_nothing() -> None:
    """Given 10 letters a second, when chunks follow at once, then each waits for the one before."""
    clock = FakeClock()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.now_s += seconds

    pacer = Pacer(10, wait=wait, clock=clock)
    for count in (10, 5, 10):
        pacer.admit(count)
    assert waits == pytest.approx([1, 0.5])
    clock.now_s += 100
    for count in (10, 10):
        pacer.admit(count)
    assert waits == pytest.approx([1, 0.5, 1])
    assert (pacer.chunk_letters, Pacer(0.5, wait=wait).chunk_letters, Pacer(9999, wait=wait).chunk_letters) == (
        10,
        1,
        CHUNK_LETTERS,
    )


def test_without_a_rate_nothing_waits() -> None:
    """Given no rate, when chunks follow at once, then none waits."""
    pacer = Pacer(None, wait=lambda _s: pytest.fail("it waited"), clock=FakeClock())
    for _ in range(3):
        pacer.admit(CHUNK_LETTERS)


def test_a_stopped_replay_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a stop within the first chunk, when replayed, then that chunk is the last and is reported."""
    stage = Stage(monkeypatch, FakeTopic(letters(5)))
    stage.after = stage.stop.set
    outcome = stage.replay(per_s=2)

    assert outcome.replayed.total() == 2
    assert outcome.unsent == 3


@pytest.mark.parametrize("again", [False, True])
def test_a_slow_commit_begins_a_new_round_without_doubling(
    monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """Given two slow commits, when replayed, with --again too, then receipts are read anew; none is duplicated."""
    stage = Stage(monkeypatch, FakeTopic(letters(6)), suspects=2)
    outcome = stage.replay(Request(again=again, limit=5), per_s=2)

    assert [len(writer.chunks) for writer in stage.writers] == [1, 1, 1]
    assert stage.topic.indexed == 3
    assert [place.offset for chunk in stage.chunks for place, _ in chunk] == [0, 1, 2, 3, 4]
    assert (outcome.replayed, outcome.unsent) == ({"texts": 5}, 0)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 40),
    refused=st.sets(st.integers(0, 39)),
    limit=st.none() | st.integers(1, 40),
    per_s=st.none() | st.integers(1, 50),
    suspects=st.integers(0, 3),
)
def test_refused_letters_are_named_and_all_others_go_once(
    monkeypatch: pytest.MonkeyPatch,
    *,
    count: int,
    refused: set[int],
    limit: int | None,
    per_s: int | None,
    suspects: int,
) -> None:
    """Given any letters that Kafka refuses, when replayed, then these are left behind and the others are written.

    Each is written once and in order. A limit counts written letters. Slow commits in between change nothing.
    """
    topic = FakeTopic(letters(count))
    stage = Stage(monkeypatch, topic, suspects=suspects, refused=[Place(0, number) for number in refused])

    outcome = stage.replay(Request(limit=limit), per_s=per_s)

    good = [number for number in range(count) if number not in refused]
    written = [place.offset for chunk in stage.chunks for place, _ in chunk]
    assert written == good[:limit]
    assert outcome.replayed.total() == len(written)
    assert outcome.unsent == 0
    left = [letter.envelope.place.offset for letter in outcome.plan.left_behind]
    assert {letter.reason for letter in outcome.plan.left_behind} <= {"refused"}
    assert set(left) <= refused
    if limit is None or limit > len(good):
        assert left == sorted(number for number in refused if number < count)


def test_few_transactions_are_lost_to_one_refused_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given one refused letter among 500, when replayed, then halving finds it, and chunks grow again."""
    stage = Stage(monkeypatch, FakeTopic(letters(2000)), refused=[Place(0, 700)])
    outcome = stage.replay()

    assert outcome.replayed.total() == 1999
    assert sum(writer.refusals for writer in stage.writers) <= 9
    assert len(stage.writers) == 1
    assert len(stage.chunks[-2]) == CHUNK_LETTERS


def test_a_letter_whose_topic_is_gone_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given letters of a deleted topic or of the dead-letter topic, when replayed, then they are left behind.

    Anyone who can write to the dead-letter topic chooses that name. But the topic of --to must exist.
    """
    names = ["gone", "texts", SETTINGS.dlq_topic, "texts"]
    some = [envelope(Place(0, n), n, origin=Origin(name, 0, n, 9)) for n, name in enumerate(names)]
    stage = Stage(monkeypatch, FakeTopic(some, missing={"gone"}))
    outcome = stage.replay()

    assert outcome.replayed == {"texts": 2}
    assert [(left.envelope.place.offset, left.reason) for left in outcome.plan.left_behind] == [
        (0, "no such topic: gone"),
        (2, "sentiments.dlq is where letters are read from; replay to another topic with --to"),
    ]
    for name in ("gone", SETTINGS.dlq_topic):
        with pytest.raises(KafkaStateError, match=r"no such topic|read from"):
            stage.replay(Request(to=name, again=True))


NOW_MS = int(time.time() * 1000)


@pytest.mark.parametrize(
    ("config", "age_ms", "keyless", "said"),
    [
        ({}, 10**13, True, None),
        ({"cleanup.policy": "delete"}, 0, True, None),
        ({"cleanup.policy": "compact,delete"}, 0, True, "it has no key, and texts is compacted"),
        ({"cleanup.policy": "compact"}, 0, False, None),
        ({"message.timestamp.before.max.ms": "3600000"}, 7_200_000, False, "before.max.ms=3600000"),
        ({"message.timestamp.before.max.ms": "3600000"}, 60_000, False, None),
        ({"message.timestamp.after.max.ms": "3600000"}, -7_200_000, False, "after.max.ms=3600000"),
        ({"message.timestamp.difference.max.ms": "3600000"}, 7_200_000, False, "before.max.ms=3600000"),
        (
            {"message.timestamp.before.max.ms": "1", "message.timestamp.type": "LogAppendTime"},
            7_200_000,
            False,
            None,
        ),
    ],
)
def test_what_a_topic_will_refuse_is_foreseen(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, str], age_ms: int, *, keyless: bool, said: str | None
) -> None:
    """Given the target's settings, when a replay is previewed, then it names what the broker would refuse."""
    one = envelope(Place(0, 0), 0, origin=Origin("texts", 0, 0, NOW_MS - age_ms), keyless=keyless)
    stampless = envelope(Place(0, 1), 1, origin=Origin("texts", 0, 1, None))
    Stage(monkeypatch, FakeTopic([one, stampless], config=config))

    found = preview(SETTINGS, Request())

    assert len(found.chosen) == (2 if said is None else 1)
    assert all(str(said) in left.reason for left in found.left_behind)


@pytest.mark.parametrize(
    ("age_ms", "policy", "warned"),
    [
        (7_200_000, "delete", True),
        (7_200_000, "compact,delete", True),
        (7_200_000, "compact", False),
        (60_000, "delete", False),
    ],
)
def test_records_that_would_expire_at_once_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, age_ms: int, policy: str, *, warned: bool
) -> None:
    """Given a target that deletes after an hour, when older inputs would be replayed, then a warning counts them.

    A topic that is only compacted deletes nothing by time, whatever its retention.ms.
    """
    stamp = int(time.time() * 1000) - age_ms
    one = envelope(Place(0, 0), 0, origin=Origin("texts", 0, 0, stamp))
    Stage(monkeypatch, FakeTopic([one], config={"retention.ms": "3600000", "cleanup.policy": policy}))
    with capture_logs() as logs:
        found = preview(SETTINGS, Request())

    assert places(found.chosen) == [0]
    assert [(line["event"], line["letters"]) for line in logs] == [("replayed_will_expire", 1)] * warned
