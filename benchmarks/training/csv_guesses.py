"""How often the dialect of a CSV file is guessed right: 200 generated files without a header.

    python -m benchmarks.training.csv_guesses      the list, one file a line, and the same for DuckDB's sniffer

Files are as pandas, DuckDB, Excel, R, Spark and plain scripts write them, of one to a few hundred rows, with texts
that hold delimiters, quotes, backslashes, line breaks and characters of other scripts. The columns are named, all
else is guessed. Right: every text is read as it was. Refused: an error. Wrong: rows are read and are others.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import structlog

from shared.errors import InputDataError
from trainer.data.tables import ReadOptions, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILES: Final = 200
SEED: Final = 13
COLUMNS: Final = ("key", "label", "text")
_WORDS: Final = r"""
the film was great awful slow; don't won't it's 5" screen, really good: "quoted" C:\dir \_(x)_/ a|b café
naïve 映画 хорошо 😀 #tag @user http://x.y/z?a=1,2 100% ... ok? yes! 'single' end\ \\share 1,5 €3 <b>bold</b>
{json} [list] "" ;;; ,, NULL NA true 007
""".split()  # noqa: SIM905 - read as a text
_LABELS: Final = (("pos", "neg"), ("0", "4"), ("positive", "neutral", "negative"), ("1", "2", "3", "4", "5"))

Rows = list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Writer:
    """A program that writes CSV, and how."""

    name: str
    write: Callable[[Rows], str]


def texts(random_: random.Random, *, plain: bool, breaks: bool) -> str:
    """A text of some words; plain ones hold only letters, spaces and apostrophes."""
    words = random_.choices(_WORDS, k=random_.randint(1, 14))
    if plain:
        words = [re.sub(r"[^\w]", "", word) or "x" for word in words]
    return ("\n" if breaks and random_.random() < 0.2 else " ").join(words)  # noqa: PLR2004


def python_writer(**how: Any) -> Callable[[Rows], str]:
    """The csv module, which pandas writes with."""

    def write(rows: Rows) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, **{"lineterminator": "\n"} | how).writerows(rows)
        return text.getvalue()

    return write


def quoted_escapes(delimiter: str = ",", *, always: bool = False) -> Callable[[Rows], str]:
    """DuckDB with ESCAPE, and Spark: a backslash before quotes and backslashes, within quotes only."""

    def cell(value: str) -> str:
        if always or not value or any(character in value for character in f'{delimiter}"\r\n#'):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return value

    return lambda rows: "".join(delimiter.join(map(cell, row)) + "\n" for row in rows)


def unquoted(delimiter: str) -> Callable[[Rows], str]:
    """A script that joins fields, having replaced what would break a row."""

    def cell(value: str) -> str:
        return value.replace(delimiter, " ").replace("\n", " ")

    return lambda rows: "".join(delimiter.join(map(cell, row)) + "\n" for row in rows)


WRITERS: Final = (
    Writer("pandas", python_writer()),
    Writer("pandas sep=;", python_writer(delimiter=";")),
    Writer("pandas sep=tab", python_writer(delimiter="\t")),
    Writer("pandas QUOTE_ALL", python_writer(quoting=csv.QUOTE_ALL)),
    Writer("pandas QUOTE_NONNUMERIC ;", python_writer(quoting=csv.QUOTE_NONNUMERIC, delimiter=";")),
    Writer("pandas escapechar", python_writer(escapechar="\\", doublequote=False)),
    Writer("pandas escapechar, doubled", python_writer(escapechar="\\")),
    Writer("pandas QUOTE_NONE", python_writer(quoting=csv.QUOTE_NONE, escapechar="\\", quotechar=None)),
    Writer("Excel", python_writer(lineterminator="\r\n")),
    Writer("Excel ;", python_writer(lineterminator="\r\n", delimiter=";")),
    Writer("DuckDB |", python_writer(delimiter="|")),
    Writer("DuckDB ESCAPE", quoted_escapes()),
    Writer("Spark quoteAll", quoted_escapes(always=True)),
    Writer("Spark tab", quoted_escapes("\t")),
    Writer("script, tab", unquoted("\t")),
    Writer("script, |", unquoted("|")),
)


@dataclass(frozen=True, slots=True)
class File:
    """One generated file, and the rows that were written."""

    number: int
    writer: str
    content: str
    rows: Rows


def corpus(files: int = FILES, seed: int = SEED) -> list[File]:
    """The files, the same for the same seed."""
    random_ = random.Random(seed)  # noqa: S311
    made = []
    for number in range(files):
        writer = WRITERS[number % len(WRITERS)]
        labels, plain, breaks = random_.choice(_LABELS), random_.random() < 0.2, random_.random() < 0.6  # noqa: PLR2004
        rows: Rows = [
            (f"{row:03}", random_.choice(labels), texts(random_, plain=plain, breaks=breaks))
            for row in range(random_.choice((1, 2, 5, 20, 60, 300)))
        ]
        if writer.name.startswith("script"):
            delimiter = "\t" if "tab" in writer.name else "|"
            rows = [(key, label, text.replace(delimiter, " ").replace("\n", " ")) for key, label, text in rows]
        made.append(File(number, writer.name, writer.write(rows), rows))
    return made


def judge(file: File, folder: Path) -> tuple[str, str]:
    """Right, refused or wrong; and what was guessed, or the error."""
    path = folder / f"{file.number}.csv"
    path.write_text(file.content, encoding="utf-8", newline="")
    with structlog.testing.capture_logs() as logs:
        try:
            found = read_columns(path, COLUMNS, ReadOptions(columns=COLUMNS))
        except InputDataError as error:
            return "refused", str(error).replace(f"{path} ", "")
    read = list(zip(*(found[name] for name in COLUMNS), strict=True))
    same = read == [tuple(value or None for value in row) for row in file.rows]
    return ("right" if same else "wrong"), logs[0]["read_as"]


def judge_duckdb(file: File, folder: Path) -> tuple[str, str]:
    """The same for DuckDB's sniffer, which is given the names and that there is no header."""
    import duckdb  # noqa: PLC0415

    path = folder / f"{file.number}.csv"
    path.write_text(file.content, encoding="utf-8", newline="")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"})
    try:
        read = connection.execute(
            "select * from read_csv(?, header=false, all_varchar=true, names=['key', 'label', 'text'])",
            [str(path)],
        ).fetchall()
    except duckdb.Error as error:
        return "refused", type(error).__name__
    same = [tuple(value or None for value in row) for row in read] == [
        tuple(value or None for value in row) for row in file.rows
    ]
    return ("right" if same else "wrong"), f"{len(read)} rows"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the list, and writes the counts."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=FILES)
    options.add_argument("--seed", type=int, default=SEED)
    given = options.parse_args(arguments)
    counts: dict[str, dict[str, int]] = {"this reader": {}, "DuckDB": {}}
    with TemporaryDirectory() as folder:
        for file in corpus(given.files, given.seed):
            verdict, why = judge(file, Path(folder))
            other, _ = judge_duckdb(file, Path(folder))
            counts["this reader"][verdict] = counts["this reader"].get(verdict, 0) + 1
            counts["DuckDB"][other] = counts["DuckDB"].get(other, 0) + 1
            print(
                f"{file.number:3} {file.writer:26} {len(file.rows):4} rows  {verdict:8} {why}  (DuckDB: {other})"
            )
    for name, count in counts.items():
        print(f"{name}: {', '.join(f'{number} {verdict}' for verdict, number in sorted(count.items()))}")


if __name__ == "__main__":
    main()
