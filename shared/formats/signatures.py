"""Formats that are named and not read, by their first bytes: a reason then says what to ask the producer for."""

from __future__ import annotations

import re
from typing import Final

from shared.formats.encodings import encoding_of

_MAGIC: Final = (
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4"),
    (b"LZ4Block", "compressed with LZ4"),
    (b"\x82SNAPPY\0", "compressed with Snappy"),
    (b"\xff\x06\0\0sNaPpY", "compressed with Snappy"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh91AY&SY", "compressed with bzip2"),
    (b"\x78\x9c", "compressed with zlib"),
    (b"\x78\xda", "compressed with zlib"),
    (b"\x78\x01", "compressed with zlib"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Obj\x01", "an Avro file"),
    (b"\xc3\x01", "an Avro object"),  # the single-object encoding
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"ORC\n", "an ORC file"),
    (b"\xac\xed\0\x05", "a serialised Java object"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x80\x05\x95", "a Python pickle"),
    (b":)\n", "Smile"),
    (b"\xd9\xd9\xf7", "CBOR"),
    (b"<?xml", "XML"),
)
_ANY_MAGIC: Final = re.compile(b"|".join(re.escape(magic) for magic, _ in _MAGIC))
_NAMES: Final = dict(_MAGIC)
_FRAMES: Final = {0: (5, 9), 1: (17,), 3: (18,)}
"""Lengths of what schema registries put in front of a value, by its first byte: 0 and an id of 4 bytes (Confluent)
or 8 (Apicurio), 1 and a GUID (Confluent), 3 with a byte for the compression and a GUID (AWS Glue)."""
_MESSAGE_PACK: Final = re.compile(rb"(?:[\x81-\x8f]|\xde..|\xdf....)([\xa1-\xbf])", re.DOTALL)
"""A map that begins with a name of 1 to 31 bytes."""
_MIN_BSON: Final = 5


def signature(value: bytes) -> str | None:
    """What a value is, to be read as `the value is ...`; None if its first bytes show nothing."""
    if encoding_of(value).codec != "utf-8":
        return None
    if found := _ANY_MAGIC.match(value):
        return _NAMES[found[0]]
    if len(value) >= _MIN_BSON and int.from_bytes(value[:4], "little") == len(value) and value.endswith(b"\0"):
        return "BSON"
    if _is_message_pack(value):
        return "MessagePack"
    if value[:2] == b"\3\5" and len(value) > max(_FRAMES[3]):
        return "compressed by the serialiser of AWS Glue"
    if value and value[0] in _FRAMES and len(value) > min(_FRAMES[value[0]]):
        return "framed by a schema registry and not JSON, so Avro or Protobuf"
    return None


def frame_length(value: bytes) -> int | None:
    """Bytes that a schema registry's serialiser put in front of JSON; None if it is not so."""
    for length in _FRAMES.get(value[0], ()) if value else ():
        if value[length : length + 1] in {b"{", b"[", b'"'}:
            # The first byte of an id below 16 million is 0, and in UTF-16 it is not.
            return length if value[1] == 0 or encoding_of(value).codec == "utf-8" else None
    return None


def unread(name: str) -> str:
    """The reason of a value that is named and not read."""
    # The client unpacks what was packed by `compression.type`, so such a value was packed before the producer.
    hint = (
        "; write it uncompressed: Kafka's own compression (compression.type of the producer) is read"
        if name.startswith("compressed")
        else "; this service reads JSON and text: have the producer, or a program between, write that"
    )
    return f"the value is {name}{hint}"


def _is_message_pack(value: bytes) -> bool:
    """Whether it begins as a map whose first name is ASCII."""
    found = _MESSAGE_PACK.match(value)
    if found is None:
        return False
    length = found[1][0] - 0xA0
    name = value[found.end() : found.end() + length]
    return len(name) == length and name.isascii()
