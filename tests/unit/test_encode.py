"""Results and dead letters as records: complete, valid, and small enough to be written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.encode import FUTURE_MS, Encoder, Moment, answer
from consumer.records import DeadLetter, Document, Outgoing, Record, Score
from shared import __version__
from shared.messages import ModelRef, Result, SourceRef
from tests.support.fakes import LABELS, TIMESTAMP_MS, oracle, record

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
MODEL = ModelRef(name="tiny", version="abc")
ENCODER = Encoder(
    labels=LABELS, model=MODEL, include_text=False, uncertain_below=0.5, timestamps="input", max_bytes=100_000
)
HEADERS = st.lists(st.tuples(st.text(), st.none() | st.binary(max_size=20)), max_size=3).map(tuple)
RECORDS = st.builds(
    record,
    st.none() | st.binary(max_size=50),
    partition=st.integers(0, 100),
    offset=st.integers(0, 2**60),
    timestamp_ms=st.none() | st.integers(0, 2**42),
    key=st.none() | st.binary(max_size=20),
    headers=HEADERS,
)
WEIGHTS = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda found: sum(found) > 0)


def encoded(document: Document, score: Score, encoder: Encoder = ENCODER) -> Outgoing:
    """The result of a document that can be written."""
    outgoing = encoder.result(document, score, Moment.of(AT))
    assert isinstance(outgoing, Outgoing)
    return outgoing


def read(outgoing: Outgoing) -> Result:
    """What a reader of the results topic understands."""
    assert outgoing.value is not None
    return Result.model_validate_json(outgoing.value, strict=True)


def headers_of(outgoing: Outgoing, one: Record) -> dict[str, str]:
    """The headers that were added to those of the input."""
    assert outgoing.headers[: len(one.headers)] == one.headers
    return {name: (value or b"").decode() for name, value in outgoing.headers[len(one.headers) :]}


@settings(deadline=None)
@given(one=RECORDS, text=st.text(), identity=st.text(min_size=1), weights=WEIGHTS, include=st.booleans())
def test_any_result_is_valid_json_of_the_schema(
    one: Record, text: str, identity: str, weights: list[float], *, include: bool
) -> None:
    """Given any record, text and probabilities, when encoded, then the value is a Result that says just that."""
    model, labels = ModelRef(name='100 %d of "it"', version="%b"), ("%s", *LABELS[1:])
    score = Score(tuple(weight / sum(weights) for weight in weights), 7, 9, truncated=True)
    document = Document(one, identity, text)

    outgoing = encoded(document, score, replace(ENCODER, include_text=include, model=model, labels=labels))

    result = read(outgoing)
    assert result == Result(
        id=identity,
        text=text if include else None,
        label=labels[score.probabilities.index(max(score.probabilities))],
        score=max(score.probabilities),
        probabilities=dict(zip(labels, score.probabilities, strict=True)),
        uncertain=max(score.probabilities) < 0.5,
        truncated=True,
        tokens=7,
        model=model,
        source=SourceRef(topic=one.topic, partition=one.partition, offset=one.offset, timestamp=one.timestamp_ms),
        scored_at=AT,
    )
    assert outgoing.value == result.model_dump_json(exclude=None if include else {"text"}).encode()
    assert outgoing.source is one
    assert headers_of(outgoing, one) == {"sentiment.schema": "1"}


def test_the_text_is_only_there_when_asked_for() -> None:
    """Given a result without --include-text, when encoded, then it has no such field at all."""
    document = Document(record(), "1", "private")

    assert b"private" not in (encoded(document, oracle("private")).value or b"")
    assert b'"text":' not in (encoded(document, oracle("private")).value or b"")


@pytest.mark.parametrize(("below", "uncertain"), [(0.0, False), (0.6, False), (0.61, True), (1.0, True)])
def test_a_low_score_is_marked_uncertain(below: float, *, uncertain: bool) -> None:
    """Given a score of 0.6, when the limit is above it, and only then, then the result is uncertain."""
    result = answer(
        Score((0.1, 0.6, 0.3), 3, 3, truncated=False),
        identity="1",
        source=None,
        labels=LABELS,
        model=MODEL,
        at=AT,
        uncertain_below=below,
    )

    assert (result.label, result.score, result.uncertain) == ("neutral", 0.6, uncertain)


@pytest.mark.parametrize(
    ("mode", "timestamp_ms", "expected"),
    [
        ("input", TIMESTAMP_MS, TIMESTAMP_MS),
        ("input", 1, 1),
        ("input", None, 0),
        ("input", AT_MS + FUTURE_MS - 1, AT_MS + FUTURE_MS - 1),
        ("input", AT_MS + FUTURE_MS + 1, 0),
        ("input", 2**62, 0),
        ("now", TIMESTAMP_MS, 0),
    ],
)
def test_results_carry_the_time_that_was_asked_for(mode: str, timestamp_ms: int | None, expected: int) -> None:
    """Given a timestamp, when encoded, then it is the input's, or 0 for now where none would be accepted."""
    document = Document(record(timestamp_ms=timestamp_ms), "1", "a")
    encoder = replace(ENCODER, timestamps="now") if mode == "now" else ENCODER

    outgoing = encoded(document, oracle("a"), encoder)

    assert outgoing.timestamp_ms == expected
    source = read(outgoing).source
    assert source is not None
    assert source.timestamp == timestamp_ms


def test_the_time_of_scoring_is_told() -> None:
    """Given a clock, when encoded, then `scored_at` is that time, with its zone."""
    later = AT + timedelta(seconds=5)
    outgoing = ENCODER.result(Document(record(), "1", "a"), oracle("a"), Moment.of(later))

    assert isinstance(outgoing, Outgoing)
    assert read(outgoing).scored_at == later


@pytest.mark.parametrize("part", ["id", "key", "headers", "text"])
def test_a_result_too_large_to_be_written_is_a_dead_letter(part: str) -> None:
    """Given one part that is too large, when encoded, then a letter tells sizes and quotes nothing."""
    private = "hunter2" * 100
    one = record(
        key=private.encode() if part == "key" else None,
        headers=(("h", private.encode()),) if part == "headers" else (),
    )
    document = Document(one, private if part == "id" else "1", private if part == "text" else "a")
    small = replace(ENCODER, max_bytes=600, include_text=True)

    letter = small.result(document, oracle("a"), Moment.of(AT))

    assert isinstance(letter, DeadLetter)
    assert (letter.record, letter.stage, letter.error) == (one, "encode", "RecordTooLarge")
    assert "more than the limit of 600" in letter.reason
    assert "hunter2" not in letter.reason


@settings(deadline=None)
@given(one=RECORDS, reason=st.text())
def test_a_dead_letter_is_the_input_and_a_reason(one: Record, reason: str) -> None:
    """Given any record, when dead-lettered, then key, value and headers are as they were, and why is added."""
    outgoing = ENCODER.dead_letter(DeadLetter(one, "decode", "BadRecord", reason))

    assert outgoing.source is one
    assert outgoing.value == one.value
    assert outgoing.timestamp_ms == 0
    added = headers_of(outgoing, one)
    original = {} if one.timestamp_ms is None else {"sentiment.original_timestamp": str(one.timestamp_ms)}
    assert added == original | {
        "__connect.errors.topic": one.topic,
        "__connect.errors.partition": str(one.partition),
        "__connect.errors.offset": str(one.offset),
        "__connect.errors.stage": "decode",
        "__connect.errors.class.name": "sentiment.consumer",
        "__connect.errors.exception.class.name": "BadRecord",
        "__connect.errors.exception.message": reason,
        "sentiment.service_version": __version__,
        "sentiment.model_version": "abc",
    }


@settings(deadline=None)
@given(reason=st.text(min_size=900, max_size=1500))
def test_a_reason_is_cut_at_a_kibibyte(reason: str) -> None:
    """Given a long reason, when encoded, then at most 1,024 bytes of it are kept, all of them whole characters."""
    one = record()
    kept = headers_of(ENCODER.dead_letter(DeadLetter(one, "s", "E", reason)), one)[
        "__connect.errors.exception.message"
    ]

    assert reason.startswith(kept)
    assert len(kept.encode()) <= 1024
    assert len(kept.encode()) > 1020 or kept == reason


def test_a_letter_too_large_to_be_written_points_to_the_record() -> None:
    """Given a value above the limit, when dead-lettered, then its size and digest stand in its place."""
    value = b"x" * 200_000
    one = record(value, key=b"k", headers=(("trace", b"1"),))

    outgoing = ENCODER.dead_letter(DeadLetter(one, "decode", "BadRecord", "too large"))

    assert outgoing.value == b""
    added = headers_of(outgoing, one)
    assert added["sentiment.value_bytes"] == "200000"
    assert added["sentiment.value_sha256"] == hashlib.sha256(value).hexdigest()
    assert outgoing.size <= ENCODER.max_bytes


@pytest.mark.parametrize(
    ("key", "headers", "value"),
    [
        (b"k" * 200_000, (), b"v"),
        (None, (("h", b"h" * 200_000),), b"v"),
        (b"k" * 200_000, (("h", b"h" * 200_000),), b"v" * 200_000),
        (b"k" * 200_000, (), None),
    ],
)
def test_no_letter_is_too_large(key: bytes | None, headers: tuple[tuple[str, bytes]], value: bytes | None) -> None:
    """Given a key or headers above the limit, when dead-lettered, then the letter still fits and says where from.

    A letter that no broker takes would end every run at the same record.
    """
    one = record(value, key=key, headers=headers, partition=3, offset=9)

    outgoing = ENCODER.dead_letter(DeadLetter(one, "encode", "RecordTooLarge", "too large"))

    assert outgoing.size <= ENCODER.max_bytes
    assert outgoing.source.partition == 3
    added = dict(outgoing.headers)
    assert (added["__connect.errors.partition"], added["__connect.errors.offset"]) == (b"3", b"9")
    assert added["sentiment.value_bytes"] == str(len(value or b"")).encode(), "it must not pass for a whole one"
