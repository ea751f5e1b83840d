"""Bytes to characters: UTF-8, and UTF-16 and UTF-32 by a byte order mark or by the zero bytes of ASCII."""

from __future__ import annotations

import codecs
from typing import Final, NamedTuple

_MARKS: Final = (  # that of UTF-32-LE begins with that of UTF-16-LE
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PATTERNS: Final = {
    b"\0\0\0x\0\0\0x": "utf-32-be",
    b"x\0\0\0x\0\0\0": "utf-32-le",
    b"\0x\0x": "utf-16-be",
    b"x\0x\0": "utf-16-le",
}
"""How values begin that begin with two ASCII characters, `x`, as JSON does (RFC 4627, section 3)."""
_VISIBLE: Final = b"\t\n\r" + bytes(range(ord(" "), 127))
_SHAPE: Final = bytes(0 if byte == 0 else ord("x") if byte in _VISIBLE else 1 for byte in range(256))


_FIRST: Final = frozenset(mark[:1] for mark, _ in _MARKS) | {b"\0"}


class Encoding(NamedTuple):
    """How a value is encoded, as far as its first bytes show."""

    codec: str
    mark: bytes
    """The byte order mark; empty if there is none."""

    def __str__(self) -> str:
        """For people: `UTF-16-LE`."""
        return self.codec.upper()


_UTF8: Final = Encoding("utf-8", b"")


class Decoded(NamedTuple):
    """The characters of a value."""

    text: str
    """Bytes that the encoding does not have are lone surrogates; `is_broken` finds them."""
    fault: str | None
    """Which byte is the first of these; None if there are none."""


def encoding_of(value: bytes) -> Encoding:
    """Looks at the first bytes; UTF-8 unless they show another encoding."""
    if value[:1] not in _FIRST and value[1:2] != b"\0":
        return _UTF8
    for mark, codec in _MARKS:
        if value.startswith(mark):
            return Encoding(codec, mark)
    # Two characters in UTF-32: the id of a schema may look like one.
    shape = value[:8].translate(_SHAPE)
    for pattern, codec in _PATTERNS.items():
        if shape.startswith(pattern) and len(value) % (len(pattern) // 2) == 0:
            return Encoding(codec, b"")
    return _UTF8


def decode(value: bytes, encoding: Encoding | None = None) -> Decoded:
    """Decodes any bytes in what `encoding_of` says, without the byte order mark.

    Surrogates that are encoded one by one, as Java's modified UTF-8 does, become characters where they are pairs.
    """
    encoding = encoding or encoding_of(value)
    body = value[len(encoding.mark) :]
    try:
        return Decoded(body.decode(encoding.codec), None)
    except UnicodeDecodeError as error:
        fault = f"not {encoding}: {error.reason} at byte {error.start + len(encoding.mark)}"
    try:
        whole = body.decode(encoding.codec, "surrogatepass").encode("utf-16-le", "surrogatepass")
        return Decoded(whole.decode("utf-16-le", "surrogatepass"), None)
    except UnicodeDecodeError:
        # Only UTF-8 says where the next character begins; of others the rest is lost.
        return Decoded(body.decode("utf-8", "surrogateescape") if encoding.codec == "utf-8" else "\udc80", fault)


def is_broken(text: str) -> bool:
    """Whether a part of a decoded text was bytes that its encoding does not have."""
    return any("\udc80" <= char <= "\udcff" for char in text)


def without_surrogates(text: str) -> str:
    """Leaves out lone surrogates, as the normaliser does: no encoding of Unicode has them."""
    return text.encode(errors="ignore").decode()
