"""Reads texts without a table: one a line with labels in a file of their own, fastText's lines, one a file."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from shared.errors import InputDataError
from shared.formats.path import listed
from trainer.data.tables.encoding import look_at, open_text
from trainer.data.tables.options import BATCH_ROWS
from trainer.data.tables.source import find_source
from trainer.data.tables.table import Columns, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.data.tables.options import ReadOptions
    from trainer.data.tables.table import Piece

TEXT, LABEL, ID = "text", "label", "id"
"""The names of the columns that these files have none for."""
FASTTEXT_MARK: Final = "__label__"
UNLABELLED_FOLDERS: Final = frozenset({"unsup", "unlabeled", "unlabelled"})
LINE_SUFFIXES: Final = frozenset({".txt", ".text", ".labels", ".label", ".lab", ".tok", ".raw", ""})
_MAX_TEXT_CHARS: Final = 10_000_000
_MAX_LABEL_CHARS: Final = 200

log = structlog.get_logger()


def read_pair(data: Path, labels: Path, options: ReadOptions) -> Columns | None:
    """Texts and labels, one a line in two files; None if these are not such files.

    Labels are replaced by their names if the folder of the labels has TweetEval's mapping.txt. Raises
    InputDataError if the numbers of lines differ.
    """
    if data.is_dir() or labels.is_dir() or not {_suffix(data), _suffix(labels)} <= LINE_SUFFIXES:
        return None
    found, encoding = _lines(labels, options)
    # A file of ids and labels has a delimiter in each line, a label has none.
    if any("\t" in line or "," in line or len(line) > _MAX_LABEL_CHARS for line in found[:100]):
        return None
    texts, name = _lines(data, options)
    if len(texts) != len(found):
        raise InputDataError(
            f"{data} has {len(texts)} lines and {labels} has {len(found)}; each line needs its label"
        )
    names = _mapping(labels.parent / "mapping.txt")
    named = bool(names) and set(found) <= names.keys()
    log.info(
        "read_as",
        data=str(data),
        read_as=f"texts and labels, one a line, {', '.join(dict.fromkeys((name, encoding)))}"
        + (", names from mapping.txt" if named else ""),
    )
    return {TEXT: [text or None for text in texts], LABEL: [names[one] if named else one or None for one in found]}


def _suffix(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix.lower() not in {".gz", ".bz2", ".xz", ".zst", ".zip"}]
    return suffixes[-1].lower() if suffixes else ""


def _lines(path: Path, options: ReadOptions) -> tuple[list[str], str]:
    source = find_source(path)
    facts = look_at(source, options.encoding)
    # Only these end a line: texts hold other characters that str.splitlines would take for line ends.
    with open_text(source, facts.encoding, newline="\n") as text:
        return [line.removesuffix("\n").removesuffix("\r") for line in text], facts.name


def _mapping(path: Path) -> dict[str, str]:
    """TweetEval's names for numbers: a number, a tab and a name a line."""
    if not path.is_file():
        return {}
    pairs = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}  # noqa: PLR2004


def read_fasttext(where: str, pieces: Sequence[Piece], options: ReadOptions) -> Table:
    """Lines that begin with one or several `__label__NAME`; several labels become a list."""
    facts = [look_at(piece.source, options.encoding) for piece in pieces]
    encodings = ", ".join(dict.fromkeys(fact.name for fact in facts))
    names = dict.fromkeys([TEXT, LABEL])

    def batches() -> Iterator[Columns]:
        for piece, fact in zip(pieces, facts, strict=True):
            with open_text(piece.source, fact.encoding, newline="\n") as lines:
                rows = (
                    _labelled(line, f"{where} line {number}")
                    for number, line in enumerate(lines, 1)
                    if line.strip()
                )
                while batch := list(islice(rows, BATCH_ROWS)):
                    yield {TEXT: [text for text, _ in batch], LABEL: [label for _, label in batch]}

    return Table(names, batches(), f"fastText, {encodings}")


def _labelled(line: str, where: str) -> tuple[str, str | list[str]]:
    match = re.match(rf"((?:{FASTTEXT_MARK}\S+\s+)+)", line)
    if not match:
        raise InputDataError(f"{where}: no {FASTTEXT_MARK} at its beginning, as in the lines before")
    labels = [word.removeprefix(FASTTEXT_MARK) for word in match[1].split()]
    return line[match.end() :].rstrip("\r\n"), labels[0] if len(labels) == 1 else labels


def read_class_folders(folder: Path, files: Sequence[Path], options: ReadOptions) -> Table:
    """One text a file, in folders by class; the id is the path within the folder."""
    places = {file.parent.parent for file in files}
    if len(places) > 1:
        found = listed(sorted({str(place.relative_to(folder)) for place in places}))
        raise InputDataError(
            f"{folder} holds folders of texts by class at several places: {found}; give one of them"
        )
    counts = Counter(file.parent.name for file in files)
    left_out = sum(counts[name] for name in counts if name.casefold() in UNLABELLED_FOLDERS)
    if left_out:
        log.info("unlabelled_texts", data=str(folder), texts=left_out)
    sources = [find_source(file) for file in files if file.stat().st_size]
    empty = f", {len(files) - len(sources)} empty" if len(sources) < len(files) else ""
    encoding = options.encoding
    if encoding is None:
        # One encoding for all: a short text says little about its own.
        found_in = [look_at(source, None) for source in sources]
        odd = next((facts for facts in found_in if facts.encoding not in {"utf-8", "utf-8-sig"}), None)
        encoding = odd.encoding if odd else "utf-8-sig"
    names = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

    def batches() -> Iterator[Columns]:
        for start in range(0, len(sources), BATCH_ROWS):
            chosen = sources[start : start + BATCH_ROWS]
            texts = []
            for source in chosen:
                with open_text(source, encoding) as text:
                    texts.append(text.read(_MAX_TEXT_CHARS + 1).rstrip("\r\n"))
                if len(texts[-1]) > _MAX_TEXT_CHARS:
                    raise InputDataError(f"{source.path} has more than {_MAX_TEXT_CHARS:,} characters")
            classes = [source.path.parent.name for source in chosen]
            yield {
                TEXT: [text or None for text in texts],
                LABEL: [None if name.casefold() in UNLABELLED_FOLDERS else name for name in classes],
                ID: [source.path.relative_to(folder).as_posix() for source in chosen],
            }

    shown = {"utf-8-sig": "UTF-8", "latin-1": "ISO 8859-1", "cp1252": "Windows-1252"}.get(encoding, encoding)
    return Table(dict.fromkeys([TEXT, LABEL, ID]), batches(), f"text files by class ({names}{empty}), {shown}")
