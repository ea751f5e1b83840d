"""Finds the encoding of a text file, and decodes it as a stream."""

from __future__ import annotations

import codecs
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.tables.options import MAX_LINE_BYTES
from trainer.data.tables.source import looks_utf16

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, TextIO

    from trainer.data.tables.source import Source

_CHUNK_BYTES: Final = 1 << 20
_SAMPLE_BYTES: Final = 64 << 10
"""Bytes of lines that are not ASCII, from which an encoding is guessed."""
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES: Final = {"utf-8-sig": "UTF-8 with a byte order mark", "latin-1": "ISO 8859-1", "cp1252": "Windows-1252"}
# In Western text these are rare. They are letters of other code pages, read as Windows-1252: Polish a and l are ¹
# and ³, Turkish dotless i is ý, Lithuanian ž is þ.
_UNLIKELY: Final = frozenset("ðýþÐÝÞ¹³¾¥¦¤")
_MAX_UNLIKELY_SHARE: Final = 0.02
_MAX_DENSITY: Final = 0.25
"""Share of bytes over 127 in Western text; in Cyrillic, Greek or Chinese it is higher."""
_SUGGESTED: Final = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """What one pass over the bytes of a text file found."""

    encoding: str
    marks: frozenset[str]
    """Which of the characters that a dialect may give a meaning occur."""

    @property
    def name(self) -> str:
        """The encoding as one says it."""
        return _NAMES.get(self.encoding, self.encoding.upper())


def look_at(source: Source, encoding: str | None) -> Facts:
    """Reads all bytes once; raises InputDataError for an encoding that does not fit, or that cannot be guessed."""
    given = _known(encoding, source)
    found = given or _by_first_bytes(source.head())
    decoder = codecs.getincrementaldecoder(found or "utf-8")()
    marks: set[str] = set()
    done = since_break = 0
    fits = True
    with source.open() as file:
        while chunk := file.read(_CHUNK_BYTES):
            marks |= {mark for mark in "\r\\\"'" if mark.encode() in chunk}
            since_break = since_break + len(chunk) if b"\n" not in chunk and b"\r" not in chunk else 0
            if since_break > MAX_LINE_BYTES:
                raise InputDataError(
                    f"{source.path}: a line of more than {MAX_LINE_BYTES >> 20} MiB; no text is so long"
                )
            fits = fits and _decodes(decoder, chunk)
            if not fits and found is not None:
                raise _unfit(source, found, given=given is not None, after=done)
            done += len(chunk)
    if fits and not _decodes(decoder, b"", final=True):
        if found is not None:
            raise _unfit(source, found, given=given is not None, after=done)
        fits = False
    return Facts(found or ("utf-8" if fits else _guess(source)), frozenset(marks))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeError:  # not only UnicodeDecodeError: UTF-16 without its mark
        return False
    return True


@contextmanager
def open_text(source: Source, encoding: str, newline: str = "") -> Iterator[TextIO]:
    """Opens the text; `newline` as for `open`."""
    with source.open() as file, io.TextIOWrapper(file, encoding, newline=newline) as text:
        yield text


def by_mark(file: BinaryIO | bytes) -> str | None:
    """The encoding that a byte order mark names."""
    head = file if isinstance(file, bytes) else file.read(4)
    return next((name for mark, name in _BOMS if head.startswith(mark)), None)


def _known(encoding: str | None, source: Source) -> str | None:
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # hex and others are codecs, but not of text
    except (LookupError, TypeError):
        raise InputDataError(
            f"encoding {encoding!r} is not known; such as utf-8, latin-1, cp1252, utf-16"
        ) from None
    name = "latin-1" if name == "iso8859-1" else name
    # A byte order mark is not part of the first column's name.
    return "utf-8-sig" if name == "utf-8" and by_mark(source.head()) == "utf-8-sig" else name


def _by_first_bytes(head: bytes) -> str | None:
    return by_mark(head) or looks_utf16(head)


def _unfit(source: Source, encoding: str, *, given: bool, after: int) -> InputDataError:
    """Names the line of the first fault; it is behind `after` bytes, or in the character there."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with source.open() as file:
        while chunk := file.read(_CHUNK_BYTES):
            pieces = chunk.splitlines(keepends=True) if after < _CHUNK_BYTES else [chunk]
            after -= len(chunk)
            for piece in pieces:
                if not _decodes(decoder, piece):
                    break
                line += piece.count(b"\n")
            else:
                continue
            break
    why = "as --encoding says" if given else "as its first bytes say"
    name = _NAMES.get(encoding, encoding.upper())
    return InputDataError(f"{source.path} line {line}: not {name}, {why}; choose with --encoding")


def _guess(source: Source) -> str:
    """Latin-1 or Windows-1252 where the bytes look like a Western language; else raises InputDataError."""
    sample, high, valid, first = _sample(source)
    letters = [byte for line in sample for byte in line if byte > 127]  # noqa: PLR2004
    if valid * 2 > high:
        return _refuse(source, first, f"{valid} of {high} lines that are not ASCII are UTF-8, the others are not")
    text = b"".join(sample)
    try:
        decoded = text.decode("cp1252")
    except UnicodeDecodeError:
        return _refuse(source, first, _suggestions(text))
    unlikely = sum(character in _UNLIKELY for character in decoded)
    if unlikely > len(letters) * _MAX_UNLIKELY_SHARE or len(letters) > len(text) * _MAX_DENSITY:
        return _refuse(source, first, _suggestions(text))
    # The two differ in 0x80 to 0x9f only, which are control characters in ISO 8859-1.
    return "cp1252" if re.search(rb"[\x80-\x9f]", text) else "latin-1"


def _sample(source: Source) -> tuple[list[bytes], int, int, int]:
    """Lines that are not ASCII, their number, how many are UTF-8, and the number of the first that is not."""
    sample: list[bytes] = []
    size = high = valid = first = 0
    with source.open() as file:
        for number, line in enumerate(file, 1):
            if line.isascii():
                continue
            high += 1
            if size < _SAMPLE_BYTES:
                sample.append(line)
                size += len(line)
            try:
                line.decode()
                valid += 1
            except UnicodeDecodeError:
                first = first or number
    return sample, high, valid, first


def _suggestions(text: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415

    names = [match.encoding for match in from_bytes(text)][:_SUGGESTED]
    return f"it may be {' or '.join(names)}" if names else "no encoding fits"


def _refuse(source: Source, line: int, why: str) -> str:
    raise InputDataError(f"{source.path} line {line}: not UTF-8 ({why}); say which encoding it is with --encoding")
