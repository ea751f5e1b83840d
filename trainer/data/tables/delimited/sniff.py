r"""Guesses the dialect of CSV files: every candidate reads all of the file, and what is ambiguous is refused.

A candidate is dropped as soon as it fails or gives rows of different lengths. If several remain and give different
texts, only the user can decide: the error names the option. DuckDB's sniffer looks at a sample and answers in any
case; decision 20 has how often it is wrong.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.tables.delimited.dialect import Dialect
from trainer.data.tables.delimited.quotes import use_of_quotes
from trainer.data.tables.options import DOUBLED, QUOTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from trainer.data.tables.options import ReadOptions

    class Part(Protocol):
        """A text file that can be opened many times."""

        def lines(self, newline: str) -> AbstractContextManager[Iterator[str]]:
            """The lines of the file, without a first line that names the delimiter."""
            ...


DELIMITERS: Final = (",", "\t", ";", "|", "\x01")
_SAMPLE_CHARS: Final = 1 << 20
_HEAD_ROWS: Final = 300
_BACKSLASH: Final = "\\"


@dataclass(slots=True)
class Trial:
    """What a candidate made of the files."""

    dialect: Dialect
    first: list[str] = field(default_factory=list)
    width: int = 0
    rows: int = 0
    digest: int = 0
    failed: bool = False
    head: list[list[str]] = field(default_factory=list)
    """The first rows."""

    def answer(self) -> tuple[int, int]:
        """Equal for candidates that read the same."""
        return self.rows, self.digest


def sniff(parts: Sequence[Part], marks: Collection[str], wanted: Collection[str], options: ReadOptions) -> Trial:
    """The one dialect that reads the parts; raises InputDataError if several do, with different texts.

    `failed` is set if none does: then it is the one that gets furthest, so that its error is the most useful one.
    """
    sample, whole = _sample(parts[0])
    newline, returns = _newline(sample), "\r" in marks
    trials = [
        _attempt("".join(sample), dialect, cut=not whole)
        for dialect in _candidates(sample, marks, options)
        for dialect in [replace(dialect, newline=newline, keeps_returns=returns and newline == "\n")]
    ]
    chosen = _most_plausible(trials, wanted, options)
    passing = [trial for trial in chosen if not trial.failed]
    failed = [trial for trial in chosen if trial.failed]
    if len(trials) == 1:
        return trials[0]
    if len(passing) == 1:
        return _resolve(parts, passing, failed, header=not options.columns)
    for exact in (True, False):
        finished = [_over_all(parts, trial, exact=exact) for trial in passing]
        if remaining := _different([trial for trial in finished if not trial.failed]):
            failed += [trial for trial in finished if trial.failed]
            return _resolve(parts, remaining, failed, header=not options.columns)
    return max(chosen, key=lambda trial: (trial.rows, trial.dialect.quote != ""))


def _sample(part: Part) -> tuple[list[str], bool]:
    """The first lines, and whether they are all."""
    lines: list[str] = []
    size = 0
    with part.lines("") as text:
        for line in text:
            lines.append(line)
            size += len(line)
            if size > _SAMPLE_CHARS:
                return lines, False
    return lines, True


def _newline(sample: list[str]) -> str:
    """How the first row ends. A line break within quotes ends none: Excel writes another there than at the end."""
    quotes = 0
    for line in sample:
        quotes += line.count('"')
        if quotes % 2 == 0 and line.endswith(("\r", "\n")):
            return "\r\n" if line.endswith("\r\n") else line[-1]
    return "\n"


def _candidates(sample: list[str], marks: Collection[str], options: ReadOptions) -> Iterator[Dialect]:
    first = sample[0] if sample else ""
    for delimiter in [options.delimiter] if options.delimiter else DELIMITERS:
        # A space behind each delimiter of the header is a habit of the writer, no part of names and values.
        spaced = (
            not options.delimiter
            and first.count(delimiter)
            and first.count(delimiter) == first.count(f"{delimiter} ")
        )
        for quote in [options.quote] if options.quote is not None else _quotes(first, marks):
            for escape in [options.escape] if options.escape else _escapes(quote, marks):
                yield Dialect(f"{delimiter} " if spaced else delimiter, quote, escape)


def _quotes(first: str, marks: Collection[str]) -> tuple[str, ...]:
    if first.startswith("'") and first.rstrip().endswith("'"):
        return ("'",)
    # Without the mark both candidates read the same.
    quotes = ('"', "") if '"' in marks else ('"',)
    return (*quotes, "'") if "'" in marks else quotes


def _escapes(quote: str, marks: Collection[str]) -> tuple[str, ...]:
    if _BACKSLASH not in marks:
        return (DOUBLED,)
    if quote == "'":
        return (DOUBLED,)
    return (DOUBLED, _BACKSLASH, QUOTED + _BACKSLASH) if quote and quote in marks else (DOUBLED, _BACKSLASH)


def _attempt(sample: str, dialect: Dialect, *, cut: bool) -> Trial:
    trial = Trial(dialect)
    lines = list(io.StringIO(sample, newline=dialect.opens_with))
    reader = dialect.reader(lines)
    try:
        for row in reader:
            if row and not _count(trial, [row]):
                break
    except csv.Error:
        # At the end of a cut sample, a quote may close in what is not there.
        trial.failed = not (cut and reader.line_num >= len(lines))
    return trial


def _over_all(parts: Sequence[Part], trial: Trial, *, exact: bool) -> Trial:
    result = Trial(trial.dialect)
    for number, part in enumerate(parts):
        with part.lines(trial.dialect.opens_with) as lines:
            try:
                for rows in trial.dialect.batches(lines, exact=exact):
                    if not _count(result, rows):
                        return result
            except csv.Error:
                result.failed = True
                return result
        if number + 1 < len(parts):
            result.digest = hash((result.digest, "next part"))
    return result


def _count(trial: Trial, rows: list[list[str]]) -> bool:
    """Adds rows; False if they are not all of one length."""
    if not rows:
        return True
    if not trial.first:
        trial.first, trial.width = rows[0], len(rows[0])
    if len(trial.head) < _HEAD_ROWS:
        trial.head += rows[:_HEAD_ROWS]
    trial.failed = set(map(len, rows)) != {trial.width}
    trial.rows += len(rows)
    trial.digest = hash((trial.digest, tuple(map(tuple, rows))))
    return not trial.failed


def _most_plausible(trials: list[Trial], wanted: Collection[str], options: ReadOptions) -> list[Trial]:
    """Those whose first row has most of the wanted names, or as many fields as names are given."""
    if options.columns:
        fitting = [trial for trial in trials if trial.width == len(options.columns)]
        return fitting or [max(trials, key=lambda trial: (not trial.failed, trial.width))]
    folded = {name.casefold() for name in wanted}
    named = [len(folded.intersection(cell.strip().casefold() for cell in trial.first)) for trial in trials]
    if most := max(named, default=0):
        return [trial for trial, count in zip(trials, named, strict=True) if count == most]
    several = [trial for trial in trials if trial.width > 1 and not trial.failed]
    return several[:1] or trials[:1]


def _different(trials: list[Trial]) -> list[Trial]:
    """One of each group that reads the same; the more usual dialect is the earlier one."""
    return list({trial.answer(): trial for trial in reversed(trials)}.values())[::-1]


def _resolve(parts: Sequence[Part], trials: list[Trial], failed: list[Trial], *, header: bool) -> Trial:
    """Decides between quotes that enclose and quotes that are part of texts, from their use; otherwise refuses."""
    delimiters = sorted({str(Dialect(trial.dialect.delimiter)) for trial in trials})
    if len(delimiters) > 1:
        raise InputDataError(f"can be read with the delimiter {' or '.join(delimiters)}; choose with --delimiter")
    single = [trial for trial in trials if trial.dialect.quote == "'"]
    others = [trial for trial in trials if trial.dialect.quote != "'"]
    if single and others:
        # Who encloses with ' encloses each field that has one: in don't it is an apostrophe.
        if not use_of_quotes(parts, others[0].dialect, "'", header=header).within:
            raise _either("'")
        trials = others
    literal = [trial for trial in trials if not trial.dialect.quote]
    quoting = [trial for trial in trials if trial.dialect.quote]
    if literal and quoting:
        if not use_of_quotes(parts, literal[0].dialect, '"', header=header).is_enclosing():
            raise _either('"')
        literal = []
    meant = next((trial for trial in failed if trial.dialect.quote == '"'), None)
    if literal and meant and _is_broken(parts, literal[0].dialect, header=header):
        return meant
    left = quoting + literal
    if len(left) > 1:
        choices = " or ".join(f"--escape '{trial.dialect.escape}'" for trial in left)
        raise InputDataError(
            f"holds backslashes that may escape something or be part of texts; say which with {choices} "
            "(double: as Excel writes; \\: as pandas with escapechar; quoted:\\: as Spark and DuckDB)"
        )
    return left[0]


def _is_broken(parts: Sequence[Part], literal: Dialect, *, header: bool) -> bool:
    """Whether a file that only literal quotes fit is CSV with a fault, which says more than such a reading."""
    # Scripts that write tabs or bars often quote nothing. Those that write commas do, or cannot write many texts.
    usual = literal.delimiter[0] in ",;" and literal.escape == DOUBLED
    return usual or use_of_quotes(parts, literal, '"', header=header).enclosed > 0


def _either(quote: str) -> InputDataError:
    choices = """--quote "'" or --quote '"'""" if quote == "'" else """--quote '"' or --quote none"""
    return InputDataError(
        f"holds {quote} around fields that need no quotes, so they may enclose fields or be part of texts; say "
        f"which with {choices}"
    )
