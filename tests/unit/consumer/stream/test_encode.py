"""Results and dead letters as records: complete, valid, and small enough to be written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.preflight.topic_config import TopicConfig
from consumer.stream.encode import Encoder, Moment, answer
from consumer.stream.records import DeadLetter, Deletion, Document, Outgoing, Record
from shared import __version__
from shared.inference.types import ModelIdentity, Score
from shared.messages import ModelRef, Result, SourceRef
from shared.reasons import Stage
from tests.support.fakes import DLQ, LABELS, OUTPUT, TARGETS, TIMESTAMP_MS, oracle, record

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
MODEL = ModelIdentity("tiny", "abc", LABELS)
ENCODER = Encoder(
    model_version="abc",
    include_text=False,
    uncertain_below=0.5,
    max_unknown_share=0.25,
    timestamps="input",
    on_null="skip",
    max_bytes=100_000,
    targets=TARGETS,
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


FUTURE_MS = 3_000_000
HOUR_MS = 3_600_000


def taking(**output: Any) -> Encoder:
    """An encoder for an output topic with this configuration."""
    return replace(ENCODER, targets=TARGETS._replace(output=TopicConfig(OUTPUT, known=True, **output)))


def encoded(document: Document, score: Score, encoder: Encoder = ENCODER) -> Outgoing:
    """The result of a document that can be written."""
    outgoing = encoder.result(document, score, Moment.of(AT))
    assert isinstance(outgoing, Outgoing)
    return outgoing


def read(outgoing: Outgoing) -> Result:
    """The value as a reader of the results topic parses it."""
    assert outgoing.value is not None
    return Result.model_validate_json(outgoing.value, strict=True)


def headers_of(outgoing: Outgoing, one: Record) -> dict[str, str]:
    """The headers that were added to those of the input."""
    assert outgoing.headers[: len(one.headers)] == one.headers
    return {name: (value or b"").decode() for name, value in outgoing.headers[len(one.headers) :]}


@settings(deadline=None)
@given(
    one=RECORDS,
    text=st.text(),
    identity=st.text(min_size=1),
    weights=WEIGHTS,
    unknown=st.just(0.25) | st.floats(0, 1),
    segments=st.integers(1, 3),
    chosen=st.integers(0, 2),
    include=st.booleans(),
)
def test_any_result_is_valid_json_of_the_schema(
    *,
    one: Record,
    text: str,
    identity: str,
    weights: list[float],
    unknown: float,
    segments: int,
    chosen: int,
    include: bool,
) -> None:
    """Given any record, text and probabilities, when encoded, then the value is the Result of `answer`."""
    labels = ("%s", *LABELS[1:])
    model = ModelIdentity('100 %d of "it"', "%b", labels)
    score = Score(tuple(weight / sum(weights) for weight in weights), chosen, 7, 9, True, model, unknown, segments)
    document = Document(one, identity, text)

    outgoing = encoded(document, score, replace(ENCODER, include_text=include))

    result = read(outgoing)
    assert result == Result(
        id=identity,
        text=text if include else None,
        label=labels[chosen],
        score=round(score.probabilities[chosen], 6),
        probabilities={name: round(share, 6) for name, share in zip(labels, score.probabilities, strict=True)},
        uncertain=score.probabilities[chosen] < 0.5 or unknown > 0.25,
        truncated=True,
        tokens=7,
        unknown_share=round(unknown, 3) if unknown > 0.25 else None,
        segments=segments if segments > 1 else None,
        model=ModelRef(name=model.name, version=model.version),
        source=SourceRef(topic=one.topic, partition=one.partition, offset=one.offset, timestamp=one.timestamp_ms),
        scored_at=AT,
    )
    assert outgoing.value is not None
    fields = json.loads(outgoing.value)
    assert fields == json.loads(result.model_dump_json(exclude=None if include else {"text"}))
    optional = {"text": include, "unknown_share": unknown > 0.25, "segments": segments > 1}
    absent = {name for name, is_there in optional.items() if not is_there}
    assert list(fields) == [name for name in Result.model_fields if name not in absent]
    without_text = result.model_copy(update={"text": None})
    assert without_text == answer(
        score,
        identity=identity,
        source=result.source,
        at=AT,
        uncertain_below=0.5,
        max_unknown_share=0.25,
    )
    assert outgoing.source is one
    assert headers_of(outgoing, one) == {"sentiment.schema": "1"}


@given(
    weights=st.lists(st.floats(0, 1), min_size=2, max_size=300).filter(lambda found: sum(found) > 0),
)
def test_written_probabilities_are_short_and_sum_to_one(weights: list[float]) -> None:
    """Given any number of labels, when encoded, then the sum is 1 within 1e-5; six decimals suffice for 20."""
    labels = tuple(f"label-{number}" for number in range(len(weights)))
    model = ModelIdentity("tiny", "abc", labels)
    score = Score(tuple(weight / sum(weights) for weight in weights), 0, 7, 9, truncated=False, model=model)

    value = encoded(Document(record(), "1", "a"), score).value or b""

    written = json.loads(value, parse_float=Decimal)["probabilities"].values()
    assert abs(sum(written) - 1) <= Decimal("1e-5")
    decimals = {len(format(number, "f").partition(".")[2]) for number in written}
    assert decimals == {6 if len(labels) <= 20 else 7 if len(labels) <= 200 else 8}


def test_the_text_is_only_there_when_asked_for() -> None:
    """Given a result without --include-text, when encoded, then it lacks that field."""
    document = Document(record(), "1", "private")

    assert b"private" not in (encoded(document, oracle("private")).value or b"")
    assert b'"text":' not in (encoded(document, oracle("private")).value or b"")


@pytest.mark.parametrize(("below", "uncertain"), [(0.0, False), (0.6, False), (0.61, True), (1.0, True)])
def test_a_low_score_is_marked_uncertain(below: float, *, uncertain: bool) -> None:
    """Given a score of 0.6, when the limit is above it, and only then, then the result is uncertain."""
    result = answer(
        Score((0.1, 0.6, 0.3), 1, 3, 3, truncated=False, model=MODEL),
        identity="1",
        source=None,
        at=AT,
        uncertain_below=below,
        max_unknown_share=0.25,
    )

    assert (result.label, result.score, result.uncertain) == ("neutral", 0.6, uncertain)


@given(weights=WEIGHTS, chosen=st.integers(0, 2), own=st.floats(0, 1), set_by_user=st.none() | st.floats(0, 1))
def test_the_threshold_is_the_models_unless_the_user_set_one(
    weights: list[float], chosen: int, own: float, set_by_user: float | None
) -> None:
    """Given a model with a threshold, when its score is encoded, then the user's counts, or else its own."""
    shares = tuple(weight / sum(weights) for weight in weights)
    score = Score(shares, chosen, 3, 3, truncated=False, model=MODEL._replace(uncertain_below=own))

    result = read(encoded(Document(record(), "1", "a"), score, replace(ENCODER, uncertain_below=set_by_user)))

    assert result.uncertain == (shares[chosen] < (own if set_by_user is None else set_by_user))
    assert result.label == LABELS[chosen]
    assert result.score == result.probabilities[result.label]


@pytest.mark.parametrize(("unknown", "marked"), [(0.0, None), (0.25, None), (0.2501, 0.25), (1.0, 1.0)])
def test_a_text_that_the_model_does_not_know_is_marked_uncertain(unknown: float, marked: float | None) -> None:
    """Given a sure score, when too much of the text is unknown, then it is uncertain and says how much."""
    result = answer(
        Score((0.0, 0.0, 1.0), 2, 3, 3, False, MODEL, unknown),
        identity="1",
        source=None,
        at=AT,
        uncertain_below=0.5,
        max_unknown_share=0.25,
    )

    assert (result.uncertain, result.unknown_share) == (marked is not None, marked)


@pytest.mark.parametrize(
    ("mode", "timestamp_ms", "expected"),
    [
        ("input", TIMESTAMP_MS, TIMESTAMP_MS),
        ("input", 1, 1),
        ("input", None, 0),
        ("input", AT_MS + FUTURE_MS - 1, AT_MS + FUTURE_MS - 1),
        ("input", AT_MS + FUTURE_MS, 0),
        ("input", 2**62, 0),
        ("now", TIMESTAMP_MS, 0),
    ],
)
def test_results_carry_the_time_that_was_asked_for(mode: str, timestamp_ms: int | None, expected: int) -> None:
    """Given a timestamp, when encoded, then it is the input's, or 0 for now if no broker would accept it."""
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
    """Given one part that is too large, when encoded, then a letter has the sizes and quotes nothing."""
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
    """Given any record, when dead-lettered, then key, value and headers are unchanged, and the reason is added."""
    outgoing = ENCODER.dead_letter(DeadLetter(one, Stage.DECODE, "BadRecord", reason))

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
    kept = headers_of(ENCODER.dead_letter(DeadLetter(one, Stage.SCORE, "E", reason)), one)[
        "__connect.errors.exception.message"
    ]

    assert reason.startswith(kept)
    assert len(kept.encode()) <= 1024
    assert len(kept.encode()) > 1020 or kept == reason


def test_a_letter_too_large_to_be_written_points_to_the_record() -> None:
    """Given a value above the limit, when dead-lettered, then its size and digest replace it."""
    value = b"x" * 200_000
    one = record(value, key=b"k", headers=(("trace", b"1"),))

    outgoing = ENCODER.dead_letter(DeadLetter(one, Stage.DECODE, "BadRecord", "too large"))

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
    """Given a key or headers above the limit, when dead-lettered, then the letter still fits and has its origin.

    A letter that no broker accepts would end every run at the same record.
    """
    one = record(value, key=key, headers=headers, partition=3, offset=9)

    outgoing = ENCODER.dead_letter(DeadLetter(one, Stage.ENCODE, "RecordTooLarge", "too large"))

    assert outgoing.size <= ENCODER.max_bytes
    assert outgoing.source.partition == 3
    added = dict(outgoing.headers)
    assert (added["__connect.errors.partition"], added["__connect.errors.offset"]) == (b"3", b"9")
    assert added["sentiment.value_bytes"] == str(len(value or b"")).encode(), "it must not pass for a whole one"


@pytest.mark.parametrize(
    ("age_ms", "bounds", "kept"),
    [
        (10_000 * HOUR_MS, {}, True),
        (23 * HOUR_MS, {"before_ms": 24 * HOUR_MS}, True),
        (24 * HOUR_MS - 600_000, {"before_ms": 24 * HOUR_MS}, True),
        (24 * HOUR_MS - 599_999, {"before_ms": 24 * HOUR_MS}, False),
        (25 * HOUR_MS, {"before_ms": 24 * HOUR_MS}, False),
        (50_000, {"before_ms": 60_000}, True),
        (50_001, {"before_ms": 60_000}, False),
        (-49_999, {"after_ms": 60_000}, True),
        (-50_000, {"after_ms": 60_000}, False),
        (-30 * 24 * HOUR_MS, {"after_ms": 2**63 - 1}, True),
        (0, {"before_ms": 0, "after_ms": 0}, False),
    ],
)
def test_a_timestamp_that_the_topic_would_refuse_becomes_now(
    age_ms: int, bounds: dict[str, int], *, kept: bool
) -> None:
    """Given bounds of the output topic, when a record is older or newer, then its result is stamped as written.

    Ten minutes, or a sixth of the bound, are left for clock differences and for the time until it is written.
    """
    one = record(timestamp_ms=AT_MS - age_ms)

    outgoing = encoded(Document(one, "1", "a"), oracle("a"), taking(**bounds))

    assert outgoing.timestamp_ms == (one.timestamp_ms if kept else 0)


def test_a_compacted_topic_gets_nothing_without_a_key() -> None:
    """Given a compacted output topic, when a record has no key, then a letter says why; an empty key is a key."""
    encoder = taking(compacted=True)

    letter = encoder.result(Document(record(key=None), "1", "a"), oracle("a"), Moment.of(AT))

    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.error) == ("encode", "RecordWithoutKey")
    assert "sentiments is compacted" in letter.reason
    assert encoded(Document(record(key=b""), "1", "a"), oracle("a"), encoder).source.key == b""


def test_the_topics_decide_what_is_too_large() -> None:
    """Given topics with limits below ours, when encoded, then results and letters respect each."""
    small = TARGETS._replace(
        output=TopicConfig(OUTPUT, known=True, max_message_bytes=2_000),
        dlq=TopicConfig(DLQ, known=True, max_message_bytes=9_000),
    )
    encoder = replace(ENCODER, targets=small)
    one = record(b"v" * 5_000, key=b"k" * 1_900)

    letter = encoder.result(Document(one, "1", "a"), oracle("a"), Moment.of(AT))

    assert isinstance(letter, DeadLetter)
    assert letter.error == "RecordTooLarge"
    assert "more than the limit of 1872" in letter.reason
    assert encoder.dead_letter(letter).value == one.value
    assert encoder.dead_letter(letter._replace(record=record(b"v" * 9_000))).value == b""


@pytest.mark.parametrize("came", [(b"0",), (b"1", b"2"), (None,)])
def test_a_result_has_one_schema_header(came: tuple[bytes | None, ...]) -> None:
    """Given a text made of a result, whose header was passed on, when encoded, then the reader finds only ours."""
    one = record(headers=(("a", b"1"), *(("sentiment.schema", version) for version in came), ("b", b"2")))

    outgoing = encoded(Document(one, "1", "a"), oracle("a"))

    assert outgoing.headers == (("a", b"1"), ("b", b"2"), ("sentiment.schema", b"1"))


def deletion(**more: Any) -> Deletion:
    """A record that deletes."""
    return Deletion(record(more.pop("value", None), **more), "the value is null")


def test_a_deletion_is_skipped_by_default() -> None:
    """Given a deletion, when encoded, then nothing is written."""
    assert ENCODER.deletion(deletion(), Moment.of(AT)) is None


@settings(deadline=None)
@given(one=RECORDS)
def test_a_forwarded_deletion_is_a_null_with_the_key(one: Record) -> None:
    """Given any deleting record, when forwarded, then a null has its key, headers and time, and our header."""
    document = Document(one, "1", "a")

    outgoing = replace(ENCODER, on_null="forward").deletion(Deletion(one, "why"), Moment.of(AT))

    assert isinstance(outgoing, Outgoing)
    assert outgoing == encoded(document, oracle("a"))._replace(value=None)


def test_a_deletion_can_be_dead_lettered() -> None:
    """Given a deletion, when it is dead-lettered, then the letter says which null it was."""
    one = deletion(value=b'{"after": null}')

    letter = replace(ENCODER, on_null="dead-letter").deletion(one, Moment.of(AT))

    assert letter == DeadLetter(one.record, Stage.DECODE, "NullRecord", "the value is null")


@pytest.mark.parametrize("mode", ["skip", "forward", "dead-letter"])
def test_a_null_is_forwarded_once(mode: Literal["skip", "forward", "dead-letter"]) -> None:
    """Given a null that an instance forwarded, when it comes back, then no second instance forwards it again."""
    sent = replace(ENCODER, on_null="forward").deletion(deletion(key=b"k"), Moment.of(AT))
    assert isinstance(sent, Outgoing)
    back = deletion(key=b"k", headers=sent.headers)

    again = replace(ENCODER, on_null=mode).deletion(back, Moment.of(AT))

    assert not isinstance(again, Outgoing)
    if mode == "forward":
        assert isinstance(again, DeadLetter)
        assert again.error == "already_scored"


@pytest.mark.parametrize(
    ("encoder", "more", "error"),
    [
        (replace(ENCODER, max_bytes=600), {"key": b"k" * 700}, "RecordTooLarge"),
        (taking(compacted=True), {"key": None}, "RecordWithoutKey"),
    ],
)
def test_a_null_that_the_topic_would_refuse_is_a_dead_letter(
    encoder: Encoder, more: dict[str, Any], error: str
) -> None:
    """Given a deletion that cannot be written as a null, when forwarded, then a letter says why."""
    letter = replace(encoder, on_null="forward").deletion(deletion(**more), Moment.of(AT))

    assert isinstance(letter, DeadLetter)
    assert letter.error == error
