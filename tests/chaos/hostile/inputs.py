"""Hostile records: strategies for them and for texts, and a mutator of bytes.

Private parts carry MARKER, so that a check finds it wherever it must not be.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import strategies as st

from consumer.stream.encode import Encoder
from shared.formats import InputFormat
from shared.formats.path import parse_selector
from shared.inference.types import ModelIdentity
from tests.support.fakes import LABELS, TARGETS, record

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from consumer.stream.records import Record

T = TypeVar("T")

MARKER: Final = "zqxjkv"
ADDRESS: Final = f"{MARKER}@example.com"
"""The name of a field that is data: a reason may quote other names."""
SMALL_BYTES: Final = 4_096
LARGE_BYTES: Final = 1_000_000
FORMS: Final = (
    InputFormat(max_bytes=2**18),
    InputFormat(text=parse_selector("data.text, text"), id=parse_selector("data.id"), max_bytes=2**18),
    InputFormat(text=parse_selector("a.b.c + text"), max_bytes=200),
    InputFormat(kind="json-schema", max_bytes=2**18),
    InputFormat(kind="auto", max_bytes=2**18),
    InputFormat(kind="text", max_bytes=2**18),
)
UNITS: Final = (
    "a", "a b ", "\0", "\u0301\u0316", "\u0f73\u0301", "\U0001f469\u200d",
    "\u200d", "\ufdfa", "\u4e16", "\u202e", "\u0661",
    "&", "&#9", "&amp;", "&#x110000;", "\\ud83d", "\\u0301\\u0316", "@",
    "www.", "http://", '"', "\u201c", " ", "\u2028",
    "1\ufe0f\u20e3", "\U0001f1e6", "\U0001f44b\U0001f3fb", "\U0001f251",
    "\U000e0067", "\uac00\u11a8", "\u0130", "\ufeff", "\x85",
)  # fmt: skip
CORPUS: Final = tuple(
    text.replace("TEXT", MARKER).encode()
    for text in (
        '{"id": "42", "text": "What a day, TEXT!"}',
        '{"text": "TEXT", "id": -7, "other": [1, 2.5e3, null, {"deep": "TEXT"}]}',
        '{"data": {"text": "caf\u00e9 \U0001f469\u200d\U0001f467 TEXT", "id": 9}}',
        '{"a": {"b": {"c": "TEXT \\ud83d\\ude00 &amp; http://TEXT"}}}',
        "bare \u201ctext\u201d TEXT @someone &#128512;",
    )
)
TOKENS: Final = (
    b"NaN", b"-Infinity", b"1e999", b"9" * 4_301, b"-0", b"\\ud800",
    b"\\u0000", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\xaf",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0", b"\n", b'"', b"\\", b"{",
    b"}", b"[", b"]", b",", b":", b"[" * 300,
    b'{"text":' * 300, b"null", b"true", b'"text"', b'"id"',
    b"&#" + b"9" * 4_301 + b";", b"\xcc\x81\xcc\x96" * 999,
)  # fmt: skip


def picked(options: Sequence[T]) -> st.SearchStrategy[T]:
    """`sampled_from` without a description of all the options, which are long."""
    return st.integers(0, len(options) - 1).map(lambda index: options[index])


def _repeated(unit: str, times: int) -> str:
    return (unit * times)[: 2**17]


TEXTS = (
    st.text(st.characters(codec="utf-8"), max_size=60)
    | st.lists(st.sampled_from(UNITS), max_size=30).map("".join)
    | st.builds(_repeated, st.sampled_from(UNITS), st.sampled_from([2, 40, 700, 3_000] * 10 + [2**17]))
    | st.just(MARKER)
)
_STRINGS = TEXTS | TEXTS.map(lambda text: MARKER + text)
_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | _STRINGS | st.just("\ud800") | picked([10**600])
)
_NAMES = st.sampled_from(["text", "id", "data", "a", "b", "c", "text", "id", "Text", "text.id", ""])
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.just(ADDRESS), inner, max_size=4),
    max_leaves=8,
)
_NESTED = st.builds(
    lambda start, depth, end: start * depth + end,
    st.sampled_from([b"[", b'{"a":', b'{"text":', b'{"data": {"text": ']),
    st.sampled_from([3, 190, 210, 3_000]),
    st.sampled_from([b"", b"0", b'"x"' + b"}" * 190, b"]" * 190]),
)


def _object(fields: list[tuple[str, Any]], *, ascii_only: bool) -> str:
    """An object as JSON that keeps repeated names; NaN and Infinity as Python writes them."""
    return "{" + ", ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=ascii_only)}" for k, v in fields) + "}"


_OBJECTS = st.builds(
    _object, st.lists(st.tuples(_NAMES, _SCALARS | _TREES), max_size=5), ascii_only=st.booleans()
) | st.builds(
    lambda text, identity: json.dumps({"text": text, "id": identity, "data": {"text": text, "id": identity}}),
    _STRINGS,
    st.none() | st.integers() | _STRINGS,
)
_ENCODINGS = st.sampled_from(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-7"])
VALUES = (
    st.none()
    | st.binary(max_size=60)
    | _NESTED
    | st.builds(lambda text, encoding: text.encode(encoding, "surrogatepass"), _OBJECTS | _STRINGS, _ENCODINGS)
)
OUR_HEADERS: Final = (
    "sentiment.schema", "sentiment.value_bytes", "sentiment.value_sha256", "sentiment.original_timestamp",
    "__connect.errors.stage", "__connect.errors.topic", "__connect.errors.exception.message",
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(OUR_HEADERS) | st.text(st.characters(codec="utf-8"), max_size=20),
        st.none() | st.binary(max_size=20) | picked([b"1", b"\xff" * 3_000, b"\0"]),
    ),
    max_size=4,
).map(tuple) | picked([(("", None),) * 500, (("\u4e16" * 900, b""),)])
TIMES_MS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 1, 1_790_000_000_000, 2**42])
KEYS = st.none() | st.binary(max_size=20) | picked([b"\xff" * 5_000])
RECORDS: st.SearchStrategy[Record] = st.builds(
    record,
    VALUES,
    topic=picked(["texts", "t" * 249]),
    partition=st.sampled_from([0, 7, 2**31 - 1]),
    offset=st.sampled_from([0, 2**63 - 2]),
    timestamp_ms=TIMES_MS,
    key=KEYS,
    headers=HEADERS,
)
MODEL = ModelIdentity("tiny", "0123456789ab", LABELS)
ENCODERS = tuple(
    Encoder(MODEL.version, text, 0.5, 0.2, times, "skip", size, TARGETS)
    for text in (False, True)
    for times in ("input", "now")
    for size in (SMALL_BYTES, LARGE_BYTES)
)
PROBABILITIES = st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 5e-324), (1 / 3, 1 / 3, 1 / 3), (0.1, 0.2, 0.7)])


def mutated(chance: random.Random) -> bytes:
    """A valid value with some bytes flipped, spliced, cut, repeated or replaced by a token."""
    value = bytearray(chance.choice(CORPUS))
    for _ in range(chance.randint(0, 6)):
        at = chance.randint(0, len(value))
        match chance.randint(0, 5):
            case 0 if at < len(value):
                value[at] ^= 1 << chance.randint(0, 7)
            case 1:
                value[at:at] = chance.choice(TOKENS)
            case 2:
                value[at : at + chance.randint(0, 9)] = chance.choice(TOKENS)
            case 3:
                value[at:] = chance.choice(CORPUS)[at:]
            case 4:
                del value[at:]
            case _:
                value[at:at] = value[at : at + 40] * chance.choice([1, 2, 300])
    return bytes(value)
