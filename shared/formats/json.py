"""`--format json`: a value is a JSON object with the text, and optionally an id, at dotted paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from shared.errors import BadRecord, NullRecord
from shared.formats.parsed import ParsedInput, checked_id, checked_text, json_type, utf8

if TYPE_CHECKING:
    from shared.formats import InputFormat


def parse(value: bytes, form: InputFormat) -> ParsedInput:
    """Parses one value; raises BadRecord, or NullRecord if the value or a parent object of the text is null."""
    tree = _json_object(value)
    text = _walk(tree, form.text_field)
    if text is None and (parent := _null_parent(tree, form.text_field)):
        raise NullRecord(f"the field {parent!r} is null, and the text would be in it")
    return ParsedInput(checked_text(text, form.text_field), checked_id(_walk(tree, form.id_field), form.id_field))


def _json_object(value: bytes) -> dict[str, Any]:
    if value[:1] == b"\0":
        raise BadRecord(
            "the value starts with byte 0, the mark of a schema registry; this service reads plain JSON, "
            "so configure the producer with a plain JSON serialiser"
        )
    try:
        # Not json.loads: it takes NaN, UTF-16 and lone surrogates, with which no result can be encoded.
        tree = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        utf8(value)  # raises the plainer reason if the fault is in the encoding
        # The parser's messages name the fault and its position, never the bytes.
        raise BadRecord(f"the value is not JSON: {error}") from None
    if tree is None:
        raise NullRecord("the value is a JSON null")
    if not isinstance(tree, dict):
        raise BadRecord(f"the value is a JSON {json_type(tree)}, not an object")
    return tree


def _walk(tree: dict[str, Any], path: str) -> Any:
    node: Any = tree
    for name in path.split("."):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


def _null_parent(tree: dict[str, Any], path: str) -> str | None:
    """The part of a path, shorter than the path, whose value is null; None if there is none."""
    node: Any = tree
    names = path.split(".")
    for depth, name in enumerate(names[:-1], start=1):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
        if node is None:
            return ".".join(names[:depth])
    return None
