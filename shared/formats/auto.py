"""`--format auto`: looks at the first bytes of each value, and reads it as what it looks like.

A text that begins like JSON is taken for JSON: where a topic has one format, name it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.errors import BadRecord
from shared.formats import json, json_schema, text
from shared.formats.encodings import decode, encoding_of
from shared.formats.parsed import ParsedInput, whole_text
from shared.formats.signatures import frame_length, signature, unread
from shared.formats.tolerant_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.formats import InputFormat

_JSON: Final = re.compile(r'\s*(?:\{|\[\s*[\{"]|null\s*\Z)')
"""How JSON begins that may hold a text: `[OC] my cat` is a text."""
_CONTROL: Final = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text has, but numbers and lengths in bytes."""
_BINARY: Final = "binary, perhaps Avro or Protobuf without a frame"
_FRAMED: Final = "JSON framed by a schema registry"


class Look(NamedTuple):
    """What a value looks like."""

    name: str
    """One of a few; `text in UTF-16-LE`."""
    parse: Callable[[bytes, InputFormat], ParsedInput] | None
    """None for what is not read."""


_PLAIN: Final = Look("JSON", json.parse)


def parse(value: bytes, form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord or NullRecord."""
    seen = look_at(value)
    if seen.parse is None:
        raise BadRecord(unread(seen.name))
    return seen.parse(value, form)


def look_at(value: bytes) -> Look:
    """Decides by the first bytes, and where these do not decide by whether all of it is text or a JSON string."""
    if value[:1] == b"{" and value[1:2] != b"\0":
        return _PLAIN
    if frame_length(value) is not None:
        return Look(_FRAMED, json_schema.parse)
    if name := signature(value):
        return Look(name, None)
    encoding = encoding_of(value)
    decoded = decode(value, encoding)
    suffix = f" in {encoding}" if encoding.codec != "utf-8" else " with a byte order mark" if encoding.mark else ""
    if _JSON.match(decoded.text):
        return Look(f"JSON{suffix}", json.parse)
    if decoded.fault is not None:
        return Look("in an unknown encoding", None)
    if _CONTROL.search(decoded.text):
        return Look(_BINARY, None)
    if decoded.text.lstrip()[:1] == '"' and _json_string(decoded.text) is not None:
        return Look(f"JSON string{suffix}", _parse_string)
    return Look(f"text{suffix}", text.parse)


def _parse_string(value: bytes, form: InputFormat) -> ParsedInput:
    """Reads a JSON string, which is the text, or JSON that was encoded several times."""
    inner = first = _json_string(decode(value).text) or ""
    while (deeper := _json_string(inner)) is not None:
        inner = deeper
    return json.parse(value, form) if _JSON.match(inner) else ParsedInput(whole_text(first))


def _json_string(content: str) -> str | None:
    try:
        found = read_json(content)
    except ValueError:
        return None
    return found if isinstance(found, str) else None
