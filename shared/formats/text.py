"""`--format text`: a value is only the text, in UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.formats.parsed import ParsedInput, checked_text, utf8

if TYPE_CHECKING:
    from shared.formats import InputFormat


def parse(value: bytes, _form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord."""
    return ParsedInput(checked_text(utf8(value)), None)
