"""How input values are read: one module for each format, and the table that names them."""

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
    """How a value is read. Fields are dotted paths: `data.text` is the text of `{"data": {"text": ...}}`."""

    kind: Kind = "json"
    text_field: str = "text"
    id_field: str = "id"
    max_bytes: int = 1_048_576


FORMATS: Final[Mapping[Kind, Callable[[bytes, InputFormat], ParsedInput]]] = MappingProxyType(
    {"json": json.parse, "text": text.parse}
)
"""A function reads one value, or raises BadRecord or NullRecord with a reason that never quotes the payload."""


def parse_input(value: bytes | None, form: InputFormat) -> ParsedInput:
    """Reads one value strictly; raises BadRecord with a reason that never quotes the payload.

    It is a NullRecord where the value deletes a row instead of carrying a text: a null value, or a null where
    an object on the way to the text should be (`{"after": null}` with the text at `after.text`).
    """
    if value is None:
        raise NullRecord("the value is null (a tombstone)")
    if len(value) > form.max_bytes:
        raise BadRecord(f"the value has {len(value)} bytes, more than the limit of {form.max_bytes}")
    return FORMATS[form.kind](value, form)
