"""Input formats: one module per format, and the table that maps their names to parsers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

from shared.errors import BadRecord, NullRecord, SettingsError
from shared.formats import auto, json, json_schema, text
from shared.formats.path import Selector, parse_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.formats.parsed import ParsedInput

Kind = Literal["json", "text", "json-schema", "auto"]


def _selector(spec: str) -> str:
    try:
        parse_selector(spec)
    except SettingsError as error:
        raise ValueError(str(error)) from None  # a fault of this setting, named with it
    return spec


FieldPath = Annotated[str, Field(max_length=1_000), AfterValidator(_selector)]
"""A setting in the language of `shared.formats.path`."""


_TEXT: Final = parse_selector("text")
_ID: Final = parse_selector("id")


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How to parse a value."""

    kind: Kind = "json"
    text: Selector = _TEXT
    id: Selector = _ID
    max_bytes: int = 1_048_576


FORMATS: Final[Mapping[Kind, Callable[[bytes, InputFormat], ParsedInput]]] = MappingProxyType(
    {"json": json.parse, "text": text.parse, "json-schema": json_schema.parse, "auto": auto.parse}
)
"""A parser parses one value, or raises BadRecord or NullRecord with a reason that never quotes a value of it."""


def parse_input(value: bytes | None, form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord with a reason that quotes names of fields at most.

    Raises NullRecord if the value deletes a row and has no text: a null value, or a null in place of an object
    on the path to the text (`{"after": null}` with the text at `after.text`).
    """
    if value is None:
        raise NullRecord("the value is null (a tombstone)")
    if len(value) > form.max_bytes:
        raise BadRecord(f"the value has {len(value)} bytes, more than the limit of {form.max_bytes}")
    return FORMATS[form.kind](value, form)
