"""`--format text`: a value is only the text, in UTF-8, UTF-16 or UTF-32, with a byte order mark or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import BadRecord
from shared.formats.encodings import decode
from shared.formats.parsed import ParsedInput, whole_text
from shared.formats.signatures import signature, unread

if TYPE_CHECKING:
    from shared.formats import InputFormat

_MARK: Final = "\ufeff"


def parse(value: bytes, _form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = _decoded(value)
    if "\0" in text or text[:1] == _MARK:
        text = _decoded(value)
    return ParsedInput(whole_text(text))


def _decoded(value: bytes) -> str:
    decoded = decode(value)
    if decoded.fault is not None:
        name = signature(value)
        raise BadRecord(unread(name) if name else f"the value is {decoded.fault}")
    return decoded.text
