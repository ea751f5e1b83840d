"""`--format json-schema`: JSON behind the bytes with which a schema registry's serialiser names the schema.

JSON without these bytes is read too: newer serialisers put the schema into a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.formats import json
from shared.formats.signatures import frame_length

if TYPE_CHECKING:
    from shared.formats import InputFormat
    from shared.formats.parsed import ParsedInput


def parse(value: bytes, form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord or NullRecord. The schema itself is not asked for."""
    length = frame_length(value)
    return json.parse(value if length is None else value[length:], form)
