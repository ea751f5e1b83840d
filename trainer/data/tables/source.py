"""Opens a file as plain bytes, whatever it is compressed with, and names what its first bytes say it is."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import pyarrow as pa

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES: Final = 64 << 10
_MAX_CONTROL_SHARE: Final = 0.1
"""Share of control characters above which bytes are not text."""
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# Begins of files that people give by mistake, with what to do instead.
_FOREIGN: Final = (
    (b"Obj\x01", "an Avro file; have it written as JSON or Parquet (Kafka Connect: format.class)"),
    (b"ORC", "an ORC file; write it as Parquet"),
    (b"ARROW1", "an Arrow (Feather) file; write it as Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream; write it as Parquet (datasets: Dataset.to_parquet)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save it as CSV UTF-8"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data; run git lfs pull"),
    (b"\x80\x02", "a pickle, which can run code when it is read; write it as Parquet or CSV"),
    (b"\x80\x03", "a pickle, which can run code when it is read; write it as Parquet or CSV"),
    (b"\x80\x04", "a pickle, which can run code when it is read; write it as Parquet or CSV"),
    (b"\x80\x05", "a pickle, which can run code when it is read; write it as Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array; write it as Parquet or CSV"),
    (b"%PDF", "a PDF"),
    (b"<?xml", "an XML file; convert it to CSV or JSON Lines"),
    (b"<!DOCTYPE", "a web page, not the data; look at how it was downloaded"),
    (b"<html", "a web page, not the data; look at how it was downloaded"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4; use gzip or zstd"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy; use gzip or zstd"),
)
_TAR: Final = slice(257, 262)


@dataclass(frozen=True, slots=True)
class Source:
    """One file; it can be opened many times."""

    path: Path
    compression: str | None = None
    """Name of the compression, found in the first bytes."""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the plain bytes, buffered; raises InputDataError where they cannot be read."""
        try:
            with self.path.open("rb") as raw, _plain(self.path, raw, self.compression) as plain:
                yield plain
        except (
            EOFError,
            zlib.error,
            lzma.LZMAError,
            zipfile.BadZipFile,
            gzip.BadGzipFile,
            pa.ArrowException,
        ) as e:
            raise InputDataError(
                f"{self.path}: its {self.compression} data is damaged ({type(e).__name__})"
            ) from None
        except OSError as error:
            if error.errno is None and self.compression:  # raised by a decompressor, not by the system
                raise InputDataError(f"{self.path}: its {self.compression} data is damaged") from None
            raise InputDataError(f"cannot read {self.path}: {error.strerror or type(error).__name__}") from None

    def head(self) -> bytes:
        """The first plain bytes."""
        with self.open() as file:
            return file.read(HEAD_BYTES)


def find_source(path: Path) -> Source:
    """A file as a source; raises InputDataError for what is not a table at all."""
    with Source(path).open() as file:
        magic = file.read(8)
    for start, name in (
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
    ):
        if magic.startswith(start):
            return _checked(Source(path, name))
    return _checked(Source(path))


def _checked(source: Source) -> Source:
    head = source.head()
    for start, what in _FOREIGN:
        if head.startswith(start):
            raise InputDataError(f"{source.path} is {what}")
    if head[_TAR] == b"ustar":
        raise InputDataError(f"{source.path} is a tar archive; unpack it and give the folder")
    if not head.startswith((*_BOMS, b"PAR1")) and not looks_utf16(head) and not _is_utf8(head):
        control = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\x01\x1b")
        if control > len(head) * _MAX_CONTROL_SHARE:
            raise InputDataError(f"{source.path} is neither text nor Parquet; no reader knows its first bytes")
    return source


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return True


def looks_utf16(head: bytes) -> str | None:
    """UTF-16's byte order where every second byte is mostly zero, as in text without a byte order mark."""
    half = len(head) // 2
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and head[start::2].count(0) > half * 0.7 and head[1 - start :: 2].count(0) < half * 0.1:
            return name
    return None


@contextmanager
def _plain(path: Path, raw: BinaryIO, compression: str | None) -> Iterator[BinaryIO]:
    match compression:
        case None:
            yield raw
        case "gzip":
            yield cast("BinaryIO", gzip.open(raw))  # noqa: SIM115 - `raw` is closed by who opened it
        case "bzip2":
            yield cast("BinaryIO", bz2.open(raw))  # noqa: SIM115
        case "xz":
            yield cast("BinaryIO", lzma.open(raw))  # noqa: SIM115
        case "zstd":
            stream: Any = pa.CompressedInputStream(raw, "zstd")
            yield cast("BinaryIO", io.BufferedReader(stream))
        case _:
            with zipfile.ZipFile(raw) as archive, archive.open(_member(path, archive)) as member:
                yield cast("BinaryIO", member)


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    if "[Content_Types].xml" in archive.namelist():
        raise InputDataError(f"{path} is an Excel workbook; save it as CSV UTF-8")
    members = [
        one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith(("__MACOSX/", "."))
    ]
    if len(members) != 1:
        raise InputDataError(f"{path} is a zip archive of {len(members)} files; unpack it and give the file")
    if members[0].flag_bits & 1:
        raise InputDataError(f"{path} is an encrypted zip archive; unpack it and give the file")
    return members[0]
