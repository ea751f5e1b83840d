"""Any record of the dead-letter topic is listed, shown and planned, or counted as foreign; none is fatal."""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from consumer.dlq import topic as module
from consumer.dlq.letters import Wanted
from consumer.dlq.replay import Outcome, Request, plan
from consumer.dlq.replay_targets import Target
from consumer.dlq.topic import DeadLetterTopic
from consumer.dlq.view import print_index, print_json, print_letter, print_outcome
from consumer.preflight.topic_config import TopicConfig
from consumer.settings import ConsumerSettings
from shared.dlq.letters import Place
from shared.errors import KafkaStateError
from shared.messages import DeadLetterHeaders
from tests.support.fakes import record
from tests.unit.consumer.dlq.test_letters import letter_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shared.kafka.reader import Partition
    from shared.messages import Headers

GOOD = letter_of(record()).added
NAMES = [name for name, _ in GOOD] + ["sentiment.value_bytes", "sentiment.replayed_to", "h", ""]
NOW_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message as the client returns it; `headers_` is None if the client fails at a name."""

    at: tuple[int, int]
    stamp: tuple[int, int]
    key_: bytes | None
    value_: bytes | None
    headers_: Headers | None

    def partition(self) -> int:
        """Its place."""
        return self.at[0]

    def offset(self) -> int:
        """Its place."""
        return self.at[1]

    def timestamp(self) -> tuple[int, int]:
        """Kind and milliseconds."""
        return self.stamp

    def key(self) -> bytes | None:
        """Any bytes."""
        return self.key_

    def value(self) -> bytes | None:
        """Any bytes."""
        return self.value_

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Like confluent-kafka: a SystemError at a name that is not UTF-8, None if there are none."""
        if self.headers_ is None:
            raise SystemError
        return list(self.headers_) or None


class FakeReader:
    """A topic of two partitions in memory."""

    def __init__(self, *_: object) -> None:
        self.found: list[Foreign] = []
        self.read = 0

    def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Two."""
        return dict.fromkeys(topics, 2)

    def spans(self, partitions: Iterable[Partition], *, undecided: bool = False) -> dict[Partition, range]:  # noqa: ARG002
        """Up to the last record of each."""
        return {
            one: range(max((m.offset() + 1 for m in self.found if m.partition() == one.number), default=0))
            for one in partitions
        }

    def messages(self, spans: Mapping[Partition, range]) -> Iterator[Foreign]:
        """Those within the spans."""
        for partition, span in spans.items():
            for message in self.found:
                if message.partition() == partition.number and message.offset() in span:
                    self.read += 1
                    yield message

    def close(self) -> None:
        """Closes nothing."""


GARBLED = st.none() | st.sampled_from(
    [
        *(b"", b"\xff", b"0", b"-1", b" 7", b"+7", b"1_0", b"1e3", b"many", b"NaN", "\u0663".encode()),
        *(
            b"9" * 19,
            b"9" * 30,
            b"7" * 5000,
            b"-9223372036854775808",
            b"\x1b[2J\xe2\x80\xae",
            b"x" * 2000,
            b"a/../b",
        ),
    ]
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.text(max_size=3), st.sampled_from(["drop", "replace", "add"]), GARBLED),
    max_size=4,
)
HEADERS = (
    st.none()
    | st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=3), GARBLED), max_size=14).map(tuple)
    | st.builds(lambda changes, before: before + changed(changes), CHANGES, st.sampled_from([(), GOOD]))
    | st.tuples(st.tuples(st.just("sentiment.replayed_to"), st.just(b"texts") | GARBLED))
)
KEYS = st.none() | st.sampled_from(
    [
        *(b"k", b"\xff\x1b[2J", b"sentiment.replayed:", b"sentiment.replayed:0:0", b"sentiment.replayed:1:0"),
        *(b"sentiment.replayed:0:-1", b"sentiment.replayed:9999999999:9999999999999999999"),
    ]
)
STAMPS = st.tuples(
    st.sampled_from([TIMESTAMP_NOT_AVAILABLE, 1, 2]),
    st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 253_402_300_799_999, 253_402_300_800_000]),
)
CONTENTS = st.tuples(STAMPS, KEYS, st.none() | st.sampled_from([b"", b"v", b"\xff\x1b[2J"]), HEADERS)


def changed(changes: list[tuple[str, str, bytes | None]]) -> Headers:
    """The headers of a good letter, with some dropped, replaced or added."""
    headers = list(GOOD)
    for name, change, value in changes:
        if change == "add":
            headers.append((name, value))
        else:
            kept = [] if change == "drop" else [(name, value)]
            headers = [one for header in headers for one in (kept if header[0] == name else [header])]
    return tuple(headers)


def open_topic(monkeypatch: pytest.MonkeyPatch) -> tuple[DeadLetterTopic, FakeReader]:
    """The topic around a reader in memory."""
    reader = FakeReader()
    monkeypatch.setattr(module, "TopicReader", lambda *_: reader)
    return DeadLetterTopic(ConsumerSettings()).__enter__(), reader


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(CONTENTS, max_size=6))
@example(contents=[((1, 9_000_000_000_000_000), None, b"x", GOOD)])
@example(contents=[((1, -(2**63)), b"k", None, GOOD + GOOD)])
def test_no_record_of_the_topic_is_fatal(
    monkeypatch: pytest.MonkeyPatch,
    contents: list[tuple[tuple[int, int], bytes | None, bytes | None, Headers | None]],
) -> None:
    """Given any records, when listed, shown and planned for a replay, then each is a letter, a receipt or foreign.

    The output, errors included, holds nothing that a terminal would execute.
    """
    topic, reader = open_topic(monkeypatch)
    reader.found = [Foreign((n % 2, n // 2), *content) for n, content in enumerate(contents)]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        index = topic.index(complete=True)
        print_index(index, Wanted(), None)
        print_json(index, Wanted(), None)
        shown = 0
        for number in range(len(contents)):
            place = Place(number % 2, number // 2)
            try:
                print_letter(topic.letter(place), ["texts"], content=True)
                shown += 1
            except KafkaStateError as error:
                print(error)  # noqa: T201
        for config in ({}, {"cleanup.policy": "compact", "message.timestamp.before.max.ms": "60000"}):
            target = Target("texts", 3, TopicConfig.of("texts", config))
            request = Request()
            todo = plan(index, request, refusal=lambda one, target=target: target.refusal(one, NOW_MS))  # type: ignore[misc]
            print_outcome(Outcome.foreseen(todo, request))
            target.expired(todo.chosen, NOW_MS)
            assert {letter.envelope.place for letter in topic.letters([one.place for one in todo.chosen])} == {
                one.place for one in todo.chosen
            }
            assert len(todo.chosen) + len(todo.left_behind) + todo.replayed_before + todo.repeated == shown

    assert shown == len(index.envelopes)
    assert len(index.envelopes) + index.foreign <= len(contents)
    assert re.sub("[\n\u200d]", "", out.getvalue()).isprintable()  # the joiner of emoji is allowed


def test_a_letter_may_have_very_many_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an input of 10,000 headers that became a letter, when listed and shown, then it is complete."""
    topic, reader = open_topic(monkeypatch)
    many = tuple((f"h{number}", b"\xff") for number in range(10_000))
    reader.found = [Foreign((0, 0), (1, 0), b"k", b"v", many + GOOD)]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_json(topic.index(), Wanted(), None)
        print_letter(topic.letter(Place(0, 0)), [], content=False)

    assert json.loads(out.getvalue().splitlines()[0])["letter"] == "0:0"
    assert "headers of the input: 10000" in out.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__connect.errors.topic", b"a/../b"),
        ("__connect.errors.topic", b""),
        ("__connect.errors.partition", b"-1"),
        ("__connect.errors.partition", b"2147483648"),
        ("__connect.errors.offset", b"9223372036854775808"),
        ("__connect.errors.offset", b" 7"),
        ("sentiment.original_timestamp", b"9223372036854775808"),
        ("__connect.errors.exception.message", b"x" * 1025),
    ],
)
def test_what_this_service_cannot_have_written_is_foreign(
    monkeypatch: pytest.MonkeyPatch, name: str, value: bytes
) -> None:
    """Given a letter with an impossible topic, number or reason, when indexed, then it does not count as a letter.

    Otherwise its number would overflow in the producer, and its topic would be requested.
    """
    assert name in {field.alias for field in DeadLetterHeaders.model_fields.values()}
    topic, reader = open_topic(monkeypatch)
    reader.found = [Foreign((0, 0), (1, 0), None, b"", changed([(name, "replace", value)]))]

    assert topic.index().foreign == 1


def test_an_index_reads_each_record_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given records that arrive between two calls, when indexed again, then only these are read; all are known."""
    topic, reader = open_topic(monkeypatch)
    reader.found = [
        Foreign((n % 2, n // 2), (1, n), None, b"", changed([("__connect.errors.offset", "replace", b"%d" % n)]))
        for n in range(5)
    ]
    assert len(topic.index(complete=True).envelopes) == reader.read == 5
    receipt = (("sentiment.replayed_to", b"texts"),)
    reader.found += [Foreign((1, 2), (1, 9), b"sentiment.replayed:1:0", b"", receipt)]

    index = topic.index(complete=True)

    assert reader.read == 6
    assert len(index.envelopes) == 5
    assert list(index.replayed.values()) == [["texts"]]
    assert topic.index() == index
    assert reader.read == 6
