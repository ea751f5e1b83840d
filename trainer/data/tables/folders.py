"""Finds the files of a folder that are parts of one table, and the columns that names of folders give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import structlog

from shared.errors import InputDataError
from trainer.data.tables.source import Source, find_source
from trainer.data.tables.table import Piece
from trainer.data.tables.text_files import FASTTEXT_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.settings import DataFormat

MAX_FILES: Final = 1_000_000
"""Files of a folder; more are more likely a wrong folder."""
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
_HEAD_CHARS: Final = 4_096
_TABLES: Final = (".csv", ".tsv", ".tab", ".psv")
_DATA: Final = (*_TABLES, ".json", ".jsonl", ".ndjson", ".parquet", ".parq", ".avro", ".orc", ".arrow", ".feather")

_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")

log = structlog.get_logger()


def pieces_of(path: Path) -> list[Piece]:
    """The files with rows of a folder, or the one file; raises InputDataError.

    Left out are what Spark, Kafka Connect and operating systems add: names that begin with _ or a dot, and empty
    files. If the folder has files whose names say that they are tables, files without such names are left out too.
    """
    if not path.is_dir():
        return [Piece(find_source(path))]
    files = files_of(path)
    named = [file for file in files if _data_suffix(file)]
    chosen = [file for file in named or files if file.stat().st_size]
    if len(chosen) < len(files):
        log.info("files_left_out", data=str(path), files=len(files) - len(chosen))
    return [Piece(find_source(file), _partition(file, path)) for file in chosen]


def files_of(folder: Path) -> list[Path]:
    """All files below a folder in order, without hidden ones; raises InputDataError."""
    found = []
    try:
        for file in folder.rglob("*"):
            if any(part.startswith((".", "_")) for part in file.relative_to(folder).parts) or not file.is_file():
                continue
            found.append(file)
            if len(found) > MAX_FILES:
                raise InputDataError(f"{folder} holds more than {MAX_FILES:,} files; give the folder of the data")
    except OSError as error:
        raise InputDataError(f"cannot read {folder}: {error.strerror or type(error).__name__}") from None
    return sorted(found)


def are_texts_by_class(folder: Path, files: Sequence[Path]) -> bool:
    """Whether a folder has several folders below it with texts, and no file whose name says that it is a table."""
    texts = [file for file in files if is_text_of_class(folder, file)]
    return not any(_data_suffix(file) for file in files) and len({file.parent for file in texts}) > 1


def is_text_of_class(folder: Path, file: Path) -> bool:
    """Whether the file is a text within a folder below this one."""
    return file.suffix.lower() in {".txt", ""} and file.parent != folder and "=" not in file.parent.name


def kind_of(pieces: Sequence[Piece], where: str) -> DataFormat:
    """The format of all pieces, by their first bytes; raises InputDataError if they differ."""
    kinds = {_kind(piece.source): piece for piece in pieces}
    if len(kinds) > 1:
        raise InputDataError(
            f"{where} holds files of several formats ({', '.join(sorted(kinds))}); give one of them"
        )
    return next(iter(kinds))


def _kind(source: Source) -> DataFormat:
    head = source.head()
    if head.startswith(b"PAR1"):
        if source.compression:
            raise InputDataError(
                f"{source.path} is a Parquet file compressed with {source.compression}; unpack it"
            )
        return "parquet"
    if _bare_suffix(source.path) in {".parquet", ".parq"}:
        raise InputDataError(f"{source.path} is not a readable Parquet file: its first bytes are not PAR1")
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    # The first characters decide between JSON and others, so what does not decode matters to the reader only.
    text = (
        head.decode("utf-16" if utf16 else "utf-8-sig", errors="ignore")[:_HEAD_CHARS].replace("\0", "").lstrip()
    )
    if _bare_suffix(source.path) in _TABLES:
        return "csv"
    if text.startswith(("{", "[")) and text[1:].lstrip()[:1] in set('"{[}]0123456789-tfn'):
        return "json"
    return "fasttext" if text.startswith(FASTTEXT_MARK) else "csv"


def _bare_suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


def _data_suffix(path: Path) -> bool:
    return _bare_suffix(path) in _DATA


def _partition(file: Path, folder: Path) -> dict[str, str | None]:
    """The columns of Hive's layout: label=neg/part-0.parquet."""
    pairs = [part.split("=", 1) for part in file.relative_to(folder).parts[:-1] if "=" in part]
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, value in pairs}
