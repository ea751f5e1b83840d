"""Dead letters read back: exactly the encoder's input, and nothing that a stranger can fake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.dlq.letters import Index, Wanted, build_index
from consumer.stream.records import DeadLetter, Record
from shared.dlq.letters import Envelope, Letter, Origin, Place, Receipt, read_entry
from shared.dlq.letters import receipt_of as receipt_record
from shared.messages import DeadLetterHeaders
from shared.reasons import Stage
from tests.support.fakes import record
from tests.unit.consumer.stream.test_encode import ENCODER, RECORDS

AT = Place(1, 7)
OURS = [field.alias or "" for field in DeadLetterHeaders.model_fields.values()]
HOSTILE_HEADERS = st.lists(
    st.tuples(st.sampled_from([*OURS, "sentiment.replayed_to", "h"]), st.none() | st.binary(max_size=5)),
    max_size=14,
).map(tuple)


def letter_of(one: Record, place: Place = AT, written_ms: int = 5) -> Letter:
    """The letter that the service makes of a record, read back."""
    outgoing = ENCODER.dead_letter(DeadLetter(one, Stage.DECODE, "BadRecord", "no text"))
    letter = read_entry(place, written_ms, outgoing.source.key, outgoing.value, outgoing.headers)
    assert isinstance(letter, Letter)
    return letter


def envelope(place: Place, written_ms: int, **changes: object) -> Envelope:
    """An envelope that differs from the others by its place."""
    fields: dict[str, object] = {
        "origin": Origin("texts", place.partition, place.offset, 9),
        "stage": "decode",
        "error": "BadRecord",
        "reason": "no text",
        "value_left_bytes": None,
    }
    return Envelope(place, written_ms, **{**fields, **changes})  # type: ignore[arg-type]


@settings(deadline=None)
@given(one=RECORDS | st.builds(record, st.none() | st.binary(max_size=9), headers=HOSTILE_HEADERS))
def test_a_letter_is_read_as_the_input_it_was(one: Record) -> None:
    """Given any record, also with headers of this service's names, when its letter is read, then it is whole."""
    letter = letter_of(one)

    assert (letter.key, letter.value, letter.headers) == (one.key, one.value, one.headers)
    assert letter.envelope == Envelope(
        AT,
        5,
        Origin(one.topic, one.partition, one.offset, one.timestamp_ms),
        "decode",
        "BadRecord",
        "no text",
        None,
        keyless=one.key is None,
    )


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [(None, b"v" * 200_000, 200_000), (b"k" * 200_000, b"v", 1), (b"k" * 200_000, None, 0)],
)
def test_what_stayed_behind_is_known(key: bytes | None, value: bytes | None, left: int) -> None:
    """Given a record too large for a letter, when the letter is read, then it does not count as complete."""
    assert letter_of(record(value, key=key)).envelope.value_left_bytes == left


def test_a_receipt_is_read_as_it_was_written() -> None:
    """Given the receipt of a letter, when read after it in its partition, then letter and target are known."""
    key, headers = receipt_record(Place(1, 6), "texts")

    assert (key, headers) == (b"sentiment.replayed:1:6", (("sentiment.replayed_to", b"texts"),))
    assert read_entry(AT, 5, key, b"", headers) == Receipt(Place(1, 6), "texts")


def test_an_input_dressed_up_as_a_receipt_is_a_letter() -> None:
    """Given an input with a receipt's key, value and header, when dead-lettered and read, then it is a letter.

    Otherwise anyone who can write to the input topic could prevent the replay of another letter.
    """
    key, headers = receipt_record(Place(1, 6), "texts")

    assert letter_of(record(b"", key=key, headers=headers)).headers == headers


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"sentiment.replayed:1:6", None, (("sentiment.replayed_to", b"t"),)),
        (b"sentiment.replayed:1:6", b"", (("sentiment.replayed_to", b"\xff"),)),
        (b"sentiment.replayed:1:6", b"", (("sentiment.replayed_to", b"t"), ("more", b""))),
        (b"sentiment.replayed:1:6", b"", (("other", b"t"),)),
        (b"sentiment.replayed:0:6", b"", (("sentiment.replayed_to", b"t"),)),
        (b"sentiment.replayed:1:7", b"", (("sentiment.replayed_to", b"t"),)),
        (b"sentiment.replayed:1:-6", b"", (("sentiment.replayed_to", b"t"),)),
        (b"k", b"v", ()),
        (None, None, ()),
        (b"k", b"v", (("__connect.errors.topic", b"texts"), ("__connect.errors.partition", b"0"))),
    ],
)
def test_what_others_wrote_is_neither(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    """Given a record that is almost a letter or receipt, or of Kafka Connect, when read, then it is neither."""
    assert read_entry(AT, 5, key, value, headers) is None


@pytest.mark.parametrize(
    "name", ["__connect.errors.partition", "__connect.errors.offset", "sentiment.value_bytes"]
)
def test_a_number_that_is_none_makes_no_letter(name: str) -> None:
    """Given a letter with an unreadable number, when read, then it does not count as a letter."""
    headers = {**dict(letter_of(record()).added), name: b"many"}

    assert read_entry(AT, 5, None, b"", tuple(headers.items())) is None


def test_the_index_is_in_order_and_knows_what_was_replayed() -> None:
    """Given letters of two partitions, a duplicate, receipts and foreign records, when indexed, then all is known.

    Within a partition the order is that of the offsets, even if clocks went backwards.
    """
    first, second = letter_of(record(offset=1), Place(0, 0), 20), letter_of(record(offset=2), Place(0, 1), 10)
    other, repeated = letter_of(record(offset=3), Place(1, 0), 15), letter_of(record(offset=1), Place(1, 1), 30)
    receipts = [Receipt(Place(0, 0), "a"), Receipt(Place(0, 0), "b"), Receipt(Place(0, 99), "gone")]

    letters = [first.envelope, other.envelope, None, second.envelope]

    index = build_index([*letters, *receipts, repeated.envelope])

    assert [one.place for one in index.envelopes] == [Place(1, 0), Place(0, 0), Place(0, 1), Place(1, 1)]
    assert index.replayed == {first.envelope.origin: ["a", "b"]} == {repeated.envelope.origin: ["a", "b"]}
    assert index.foreign == 1


def test_nothing_makes_an_empty_index() -> None:
    """Given an empty topic, when indexed, then the index is empty."""
    assert build_index([]) == Index([])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), {0, 1, 2}),
        (Wanted(stage="encode"), {1}),
        (Wanted(error="BadRecord"), {0, 1}),
        (Wanted(since_ms=20), {1, 2}),
        (Wanted(topic="others"), {2}),
        (Wanted(stage="decode", error="BadRecord", since_ms=10, topic="texts"), {0}),
        (Wanted(stage="encode", topic="others"), set()),
    ],
)
def test_filters_must_all_pass(wanted: Wanted, found: set[int]) -> None:
    """Given filters, when applied to letters, then those remain that pass every filter."""
    envelopes = [
        envelope(Place(0, 0), 10),
        envelope(Place(0, 1), 20, stage="encode"),
        envelope(Place(0, 2), 30, error="Other", origin=Origin("others", 0, 0, None)),
    ]

    assert {one.place.offset for one in envelopes if one in wanted} == found
