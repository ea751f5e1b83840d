"""Input formats: one module per format, and the table that maps their names to parsers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from shared.errors import BadRecord, NullRecord
from shared.formats import json, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.formats.parsed import ParsedInput

Kind = Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How to parse a value. Fields are dotted paths: `data.text` is the text of `{"data": {"text": ...}}`."""

    kind: Kind = "json"
    text_field: str = "text"
    id_field: str = "id"
    max_bytes: int = 1_048_576


FORMATS: Final[Mapping[Kind, Callable[[bytes, InputFormat], ParsedInput]]] = MappingProxyType(
    {"json": json.parse, "text": text.parse}
)
"""A parser parses one value, or raises BadRecord or NullRecord with a reason that never quotes the payload."""


def parse_input(value: bytes | None, form: InputFormat) -> ParsedInput:
    """Parses one value strictly; raises BadRecord with a reason that never quotes the payload.

    Raises NullRecord if the value deletes a row and has no text: a null value, or a null in place of an object
    on the path to the text (`{"after": null}` with the text at `after.text`).
    """
    if value is None:
        raise NullRecord("the value is null (a tombstone)")
    if len(value) > form.max_bytes:
        raise BadRecord(f"the value has {len(value)} bytes, more than the limit of {form.max_bytes}")
    return FORMATS[form.kind](value, form)
