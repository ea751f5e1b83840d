"""How the proxy parses the protocol, without a broker."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.brokers.cluster import java_hash
from tests.chaos.brokers.frames import END_TXN, PRODUCE, Frames, transactional_request

frames = st.lists(st.binary(min_size=8, max_size=2000), min_size=1, max_size=8)


@given(frames, st.lists(st.integers(1, 700), min_size=1))
def test_frames_survive_any_cut(bodies: list[bytes], cuts: list[int]) -> None:
    """Given frames cut anywhere, when they pass, then no byte is changed and each beginning is seen once."""
    stream = b"".join(struct.pack(">i", len(body)) + body for body in bodies)
    seen: list[bytes] = []

    def inspect(beginning: bytes) -> bool:
        seen.append(beginning)
        return True

    passing, passed, at = Frames(inspect), b"", 0
    for number in range(len(stream)):
        if at >= len(stream):
            break
        step = cuts[number % len(cuts)]
        passed += passing.feed(stream[at : at + step])
        at += step

    assert passed == stream
    assert [beginning[4:] for beginning in seen] == [body[:512] for body in bodies]


def test_nothing_passes_from_a_held_frame_on() -> None:
    """Given three frames in one chunk, when the second is held, then only the first is forwarded."""
    first, second, third = (struct.pack(">i", 8) + bytes([number]) * 8 for number in range(3))

    passed = Frames(lambda beginning: beginning != second).feed(first + second + third)

    assert passed == first


@pytest.mark.parametrize(("version", "committed"), [(1, True), (1, False), (3, True)])
def test_end_txn_is_read(version: int, committed: bool) -> None:
    """Given an EndTxn in its plain or compact form, when it is parsed, then its id and meaning are correct."""
    name = b"\x05id-1" if version >= 3 else b"\x00\x04id-1"
    tags = b"\x00" if version >= 3 else b""
    body = name + struct.pack(">qh?", 1, 2, committed) + tags
    header = struct.pack(">hhih", END_TXN, version, 7, 3) + b"cli" + tags

    request = transactional_request(struct.pack(">i", len(header + body)) + header + body)

    assert request is not None
    assert (request.transactional_id, request.correlation_id, request.committed) == ("id-1", 7, committed)


def test_a_produce_without_a_transaction_is_none_of_the_proxys_business() -> None:
    """Given a Produce whose transactional id is null, when it is parsed, then it is not transactional."""
    body = struct.pack(">hhihh", PRODUCE, 7, 1, -1, -1) + bytes(20)

    assert transactional_request(struct.pack(">i", len(body)) + body) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("sentiment-0", 2102886034), ("polygenelubricants", 0), ("Grüße", 69215351), ("🙂", 1772965)],
)
def test_java_hash_is_javas(text: str, number: int) -> None:
    """Given texts with known hash codes, one of them Java's smallest number, then the computed codes are equal."""
    assert java_hash(text) == number
