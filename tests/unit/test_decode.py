"""Records become documents or dead letters, and nothing else."""

from __future__ import annotations

import pytest

from consumer.decode import decode, split
from consumer.records import DeadLetter, Document
from shared.messages import InputFormat
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
        one, "decode", "BadRecord", "the field 'text' is missing or null"
    )


def test_split_keeps_the_order_of_both_kinds() -> None:
    """Given good and bad records in turn, when split, then both lists are in the order of the records."""
    records = [record(b'{"text": "a"}' if n % 2 else None, offset=n) for n in range(6)]

    documents, letters = split(records, InputFormat())

    assert [one.record.offset for one in documents] == [1, 3, 5]
    assert [one.record.offset for one in letters] == [0, 2, 4]
