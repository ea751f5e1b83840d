"""Values of all kinds in one topic: each is read as what its first bytes show, or named."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadRecord, NullRecord
from shared.formats import InputFormat, parse_input
from shared.formats.auto import look_at
from shared.formats.path import parse_selector

AUTO = InputFormat(kind="auto", text=parse_selector("text, 0.text"))
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"]), min_size=1).filter(str.strip)
UNICODE = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (b'{"text": "good"}', "JSON", "good"),
        (b' \n{"text": "good"}', "JSON", "good"),
        (b'\xef\xbb\xbf{"text": "good"}', "JSON with a byte order mark", "good"),
        ('{"text": "good"}'.encode("utf-16"), "JSON in UTF-16-LE", "good"),
        ('{"text": "good"}'.encode("utf-16-be"), "JSON in UTF-16-BE", "good"),
        ('[{"text": "good"}]'.encode("utf-16-be"), "JSON in UTF-16-BE", "good"),
        (b'\0\0\0\0\5{"text": "good"}', "JSON framed by a schema registry", "good"),
        (b'"{\\"text\\": \\"good\\"}"', "JSON string", "good"),
        (json.dumps(json.dumps('{"text": "good"}')).encode(), "JSON string", "good"),
        (b'"a \\"good\\" day"', "JSON string", 'a "good" day'),
        (b'"\\"good\\""', "JSON string", '"good"'),
        (b'"Good" is what I call it', "text", '"Good" is what I call it'),
        (b'"Never" and "always"', "text", '"Never" and "always"'),
        (b"[OC] my cat", "text", "[OC] my cat"),
        (b"Caf\xc3\xa9, good\r\n", "text", "Caf\u00e9, good\r\n"),
        ("good".encode("utf-16"), "text in UTF-16-LE", "good"),
        (b"5 of 5", "text", "5 of 5"),
    ],
)
def test_a_value_is_read_as_what_it_looks_like(value: bytes, name: str, text: str) -> None:
    """JSON, with a frame or encoded twice, and text, in the encodings of Unicode."""
    assert look_at(value).name == name
    assert parse_input(value, AUTO).text == text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (gzip.compress(b"{}", mtime=0), "compressed with gzip"),
        (b"\0\0\0\0\5\x02\x06abc", "framed by a schema registry and not JSON, so Avro or Protobuf"),
        (b"\x06abc", "binary, perhaps Avro or Protobuf without a frame"),
        (b"\x0a\x05great\x10\x01", "binary, perhaps Avro or Protobuf without a frame"),
        (b"caf\xe9", "in an unknown encoding"),
        (b"Obj\x01\x04", "an Avro file"),
        (b"\x81\xa4text\xa4good", "MessagePack"),
    ],
)
def test_what_is_not_read_is_named(value: bytes, name: str) -> None:
    """The reason says what the value is, and what this service reads."""
    assert look_at(value).name == name
    with pytest.raises(BadRecord, match=f"the value is {name}; "):
        parse_input(value, AUTO)


@pytest.mark.parametrize("value", [b"{'text': 'good'}", b'{"text": "good', b'[{"text": "good'])
def test_broken_json_is_not_taken_for_a_text(value: bytes) -> None:
    """A JSON document that was cut off would be scored with its names and brackets."""
    with pytest.raises(BadRecord, match=r"not JSON"):
        parse_input(value, AUTO)


@pytest.mark.parametrize("value", [None, b"null", b'{"data": null}'])
def test_a_null_deletes_a_row(value: bytes | None) -> None:
    """As in the formats by themselves."""
    with pytest.raises(NullRecord):
        parse_input(value, InputFormat(kind="auto", text=parse_selector("data.text")))


@given(text=TEXT, encoding=UNICODE, id_=st.none() | st.integers(0, 99))
def test_json_is_read_in_any_encoding(text: str, encoding: str, id_: int | None) -> None:
    """Given JSON with any text in any encoding of Unicode, when read by its looks, then as by its format."""
    value = json.dumps({"text": text, "id": id_}, ensure_ascii=False).encode(encoding)

    assert parse_input(value, AUTO) == parse_input(value, InputFormat())


@given(text=TEXT, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_a_text_is_read_whole_unless_it_begins_like_json(text: str, encoding: str) -> None:
    """Given a text with a byte order mark, or in UTF-8, when read by its looks, then it is unchanged."""
    if text.lstrip()[:1] in {"{", "[", '"'} or text.strip() == "null":
        return
    assert parse_input(text.encode(encoding), AUTO).text == text


@given(
    tree=st.fixed_dictionaries({"text": TEXT, "id": st.integers(0, 9)}),
    frame=st.builds(lambda number: struct.pack(">bI", 0, number), st.integers(0, 2**32 - 1))
    | st.builds(lambda number: struct.pack(">bQ", 0, number), st.integers(0, 2**40))
    | st.binary(min_size=16, max_size=16).map(b"\1".__add__)
    | st.binary(min_size=16, max_size=16).map(b"\3\0".__add__)
    | st.just(b""),
)
def test_json_behind_a_frame_is_read(tree: dict[str, Any], frame: bytes) -> None:
    """Given JSON behind the id of a schema, or without, when read as json-schema, then it is as without the id."""
    value = json.dumps(tree).encode()

    assert parse_input(frame + value, InputFormat(kind="json-schema")) == parse_input(value, InputFormat())
