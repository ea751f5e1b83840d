"""What a value holds for the scorer, and how text and id are taken out of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.errors import BadRecord
from shared.formats.encodings import is_broken, without_surrogates

if TYPE_CHECKING:
    from shared.formats import InputFormat

MAX_ID_CHARS: Final = 512
_MAX_ID_BITS: Final = 4 * MAX_ID_CHARS
"""More than that many digits have; Python refuses to write integers of more than 4,300 digits."""


# A named tuple, not a frozen dataclass: one is made for each message (host_path in benchmarks/README.md).
class ParsedInput(NamedTuple):
    """What was read of one value."""

    text: str
    """Not blank, and without lone surrogates."""
    id: str | None = None
    """None if there is none, or none that can be used."""
    id_unusable: bool = False
    """Whether there is an id of another kind, or one that is too long."""
    fields: Any = None
    """The value as JSON, which may hold lone surrogates; None for bare text."""


def selected(tree: Any, form: InputFormat, fault: str | None = None) -> ParsedInput:
    """Takes text and id out of JSON; raises BadRecord or NullRecord.

    `fault` says that bytes of the value could not be decoded: they cost the text only if they are in it.
    """
    text = form.text.text(tree)
    if not text.isascii():
        text = whole_text(text, fault)
    value = form.id.value(tree)
    if value is None:
        return ParsedInput(text, None, False, tree)
    identity = _usable(value)
    return ParsedInput(text, identity, identity is None, tree)


def whole_text(text: str, fault: str | None = None) -> str:
    """Leaves lone surrogates out; raises BadRecord if nothing is left, or with `fault` if the text is broken."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        if fault is not None and is_broken(text):
            raise BadRecord(f"the text is {fault}") from None
        text = without_surrogates(text)
    if not text or text.isspace():
        raise BadRecord("the text is empty or only white space")
    return text


def _usable(value: Any) -> str | None:
    """An id as a string; None if it cannot be one."""
    if type(value) is int and value.bit_length() < _MAX_ID_BITS:
        value = str(value)
    if type(value) is not str or not 0 < len(value) <= MAX_ID_CHARS:
        return None
    return value if value.isascii() or without_surrogates(value) == value else None
