"""Records become documents or dead letters, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.stream.decode import decode, split
from consumer.stream.records import DeadLetter, Deletion, Document
from shared.formats import InputFormat
from shared.formats.path import parse_selector
from shared.messages import ModelRef, Result, SourceRef
from shared.reasons import Stage
from tests.support.fakes import record


@pytest.mark.parametrize(
    ("value", "identity"),
    [(b'{"text": "a", "id": "mine"}', "mine"), (b'{"text": "a", "id": 0}', "0"), (b'{"text": "a"}', "texts-2-7")],
)
def test_a_document_has_an_id(value: bytes, identity: str) -> None:
    """Given a record with or without an id, when decoded, then the id is its own or follows from its place."""
    one = record(value, partition=2, offset=7)

    assert decode(one, InputFormat()) == Document(one, identity, "a")


def test_what_cannot_be_read_is_a_dead_letter() -> None:
    """Given a record without a text, when decoded, then a letter holds the record and the reason."""
    one = record(b"{}")

    assert decode(one, InputFormat()) == DeadLetter(
        one, Stage.DECODE, "BadRecord", "no text at text: the value is an empty object"
    )


def test_split_keeps_the_order_of_each_kind() -> None:
    """Given good, bad and deleting records in turn, when split, then each list is in the order of the records."""
    records = [record((None, b'{"text": "a"}', b"{}")[n % 3], offset=n) for n in range(9)]

    documents, letters, deletions = split(records, InputFormat())

    assert [one.record.offset for one in deletions] == [0, 3, 6]
    assert [one.record.offset for one in documents] == [1, 4, 7]
    assert [one.record.offset for one in letters] == [2, 5, 8]


def test_a_null_value_is_a_deletion_in_any_format() -> None:
    """Given a tombstone, when decoded as JSON or as text, then it is a deletion."""
    one = record(None)

    for form in (InputFormat(), InputFormat(kind="text")):
        assert decode(one, form) == Deletion(one, "the value is null (a tombstone)")


RESULTS = st.builds(
    Result,
    id=st.text(),
    text=st.none() | st.text(),
    label=st.text(),
    score=st.floats(0, 1),
    probabilities=st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3),
    uncertain=st.booleans(),
    truncated=st.booleans(),
    tokens=st.integers(0, 512),
    model=st.builds(ModelRef, name=st.text(), version=st.text()),
    source=st.none()
    | st.builds(
        SourceRef,
        topic=st.text(),
        partition=st.integers(0, 9),
        offset=st.integers(0),
        timestamp=st.none() | st.integers(),
    ),
    scored_at=st.just(datetime(2026, 5, 1, tzinfo=UTC)),
).map(lambda found: found.model_dump_json().encode())
FORMS = st.sampled_from(
    [
        InputFormat(),
        InputFormat(kind="text"),
        InputFormat(text=parse_selector("label")),
        InputFormat(text=parse_selector("source.topic")),
    ]
)
TRAVELLED = st.lists(
    st.tuples(st.sampled_from(["trace", "SENTIMENT.SCHEMA"]), st.none() | st.binary()), max_size=2
)


@settings(deadline=None)
@given(
    value=RESULTS, form=FORMS, before=TRAVELLED, version=st.sampled_from([b"1", b"2", b"", None]), after=TRAVELLED
)
def test_a_result_that_comes_back_is_a_dead_letter(
    value: bytes,
    form: InputFormat,
    before: list[tuple[str, bytes | None]],
    version: bytes | None,
    after: list[tuple[str, bytes | None]],
) -> None:
    """Given any result with its header among others, when read in any format, then it is never scored again."""
    one = record(value, headers=(*before, ("sentiment.schema", version), *after))

    letter = decode(one, form)

    assert isinstance(letter, DeadLetter)
    assert (letter.record, letter.stage, letter.error) == (one, "decode", "already_scored")
    assert "loop" in letter.reason


@settings(deadline=None)
@given(value=RESULTS)
def test_the_value_of_a_result_alone_is_no_loop(value: bytes) -> None:
    """Given a value like a result without our header, when read as text, then it is scored like any other."""
    one = record(value, headers=(("trace", b"1"),))

    assert decode(one, InputFormat(kind="text")) == Document(one, "texts-0-0", value.decode())


@settings(deadline=None)
@given(text=st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_our_header_alone_is_no_loop(text: str) -> None:
    """Given a text made of a result, whose headers were passed on, when read, then it is scored."""
    one = record(text.encode(), headers=(("sentiment.schema", b"1"),))

    assert decode(one, InputFormat(kind="text")) == Document(one, "texts-0-0", text)


def test_a_value_above_the_limit_is_not_even_read_for_its_schema() -> None:
    """Given a result above `limits.max_record_bytes`, when decoded, then the letter says that it is too large."""
    big = Result(
        id="1",
        text="x" * 1_000,
        label="a",
        score=1,
        probabilities={"a": 1},
        uncertain=False,
        truncated=False,
        tokens=3,
        model=ModelRef(name="m", version="1"),
        source=None,
        scored_at=datetime(2026, 5, 1, tzinfo=UTC),
    )
    one = record(big.model_dump_json().encode(), headers=(("sentiment.schema", b"1"),))

    letter = decode(one, InputFormat(max_bytes=900))

    assert isinstance(letter, DeadLetter)
    assert "more than the limit of 900" in letter.reason
