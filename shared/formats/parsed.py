"""The result of parsing, and the checks of text and id that all formats share."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from shared.errors import BadRecord

MAX_ID_CHARS: Final = 512


# A named tuple, not a frozen dataclass: one is made for each message (host_path in benchmarks/README.md).
class ParsedInput(NamedTuple):
    """The fields of one input value that the scorer needs."""

    text: str
    id: str | None


def utf8(value: bytes) -> str:
    """Decodes UTF-8; raises BadRecord."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"the value is not UTF-8: {error.reason} at byte {error.start}") from None


def checked_text(text: Any, field: str = "value") -> str:
    """Returns the text; raises BadRecord unless it is a string and not blank."""
    if text is None:
        raise BadRecord(f"the field {field!r} is missing or null")
    if not isinstance(text, str):
        raise BadRecord(f"the field {field!r} is a JSON {json_type(text)}, not a string")
    if not text or text.isspace():
        raise BadRecord(f"the field {field!r} is empty or only white space")
    return text


def checked_id(value: Any, field: str) -> str | None:
    """Returns the id as a string, None if there is none; raises BadRecord."""
    if value is None:
        return None
    # bool is a subclass of int: `true` would become the id "True".
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRecord(f"the field {field!r} is a JSON {json_type(value)}, not a string or an integer")
    # Never a ValueError for too many digits: the JSON parser refuses numbers of more than 4,300.
    text = str(value)
    if not 0 < len(text) <= MAX_ID_CHARS:
        raise BadRecord(f"the field {field!r} is empty or longer than {MAX_ID_CHARS} characters")
    return text


def json_type(value: Any) -> str:
    """The name of a JSON value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
