"""The data report as tables for people; every name and text of the data is escaped for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from shared.terminal import escaped, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from trainer.data.quality.findings import DataQuality, Drift, LabelErrors, Lengths, Repeats, Row, Scope

SHOWN: Final = 10
"""Rows, groups or scripts of a list; the JSON file has more."""


def quality_tables(found: DataQuality) -> Iterator[RenderableType]:
    """One table for each check, with the sample that it looked at if that is not all rows."""
    yield _rows(found)
    yield _classes(found)
    yield _lengths(found.lengths)
    yield _pairs(f"scripts{_of(found.scripts.scope)}", found.scripts.rows, found.scripts.scope.rows)
    yield _repeats("exact duplicates", found.exact)
    yield _repeats("near-duplicates", found.near)
    yield _overlaps(found)
    yield _label_errors(found.label_errors)
    yield _drift(found.drift)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(Text(escaped(column)), justify="right" if number else "left")
    return table


def _line(title: str) -> Text:
    return Text(escaped(title), style="bold")


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(escaped(cell)) for cell in cells))


def _of(scope: Scope) -> str:
    return f", of a random sample of {scope.rows:,} of {scope.of:,} rows" if scope.is_sample else ""


def _rows(found: DataQuality) -> Table:
    table = _table(f"{found.data}: {found.rows:,} rows", "rows", "")
    _add(table, "used", f"{found.used:,}")
    for part, rows in found.parts.items():
        _add(table, f"  of the part {part}", f"{rows:,}")
    if found.repeated_ids:
        _add(table, "  with the id of an earlier row and another text", f"{found.repeated_ids:,}")
    for reason, rows in sorted(found.left_out.items(), key=lambda one: -one[1]):
        _add(table, f"left out {reason}", f"{rows:,}")
    return table


def _classes(found: DataQuality) -> Table:
    parts = found.classes.by_part
    table = _table("classes", "label", "rows", "share", *parts)
    for label, share in found.classes.shares.items():
        cells = (f"{counts[label] / max(1, sum(counts.values())):.1%}" for counts in parts.values())
        _add(table, label, f"{found.classes.rows[label]:,}", f"{share:.1%}", *cells)
    return table


def _pairs(title: str, rows: dict[str, int], total: int) -> Table:
    table = _table(title, "", "rows", "share")
    for name, count in list(rows.items())[:SHOWN]:
        _add(table, name, f"{count:,}", f"{count / total:.1%}")
    return table


def _lengths(found: Lengths) -> RenderableType:
    unit = f"tokens of {found.base}" if found.base else "words, without the tokenizer of a base"
    table = _table(f"lengths in {unit}{_of(found.scope)}", "median", "95 %", "99 %", "longest")
    _add(table, *(f"{value:,}" for value in (found.median, found.p95, found.p99, found.longest)))
    lines = []
    if found.window is not None:
        share = found.over_window / found.scope.rows
        lines.append(
            f"longer than the {found.window:,} tokens that it reads: {found.over_window:,} rows ({share:.1%})"
        )
    if found.unit == "tokens":
        lines.append(f"with unknown tokens: {found.with_unknown:,} rows; mean share {found.unknown_share:.2%}")
    return Group(table, *(Text(escaped(line)) for line in lines))


def _repeats(name: str, found: Repeats) -> RenderableType:
    table = _table(f"{name}{_of(found.scope)}", "texts that occur several times", f"{found.groups:,}")
    _add(table, "rows beyond the first", f"{found.rows:,}")
    _add(table, "of these texts, with several labels", f"{found.conflicting_groups:,}")
    if not found.conflicts:
        return table
    conflicts = Table(box=None, pad_edge=False, show_header=False)
    for number, conflict in enumerate(found.conflicts[:SHOWN], 1):
        for row in conflict.rows[:SHOWN]:
            conflicts.add_row(Text(f"  {number}"), Text(escaped(row.id)), Text(escaped(row.label)), *_text(row))
    return Group(table, conflicts)


def _text(row: Row) -> tuple[Text, ...]:
    """The last cell of a row, if texts are shown."""
    return () if row.text is None else (printable(row.text),)


def _overlaps(found: DataQuality) -> RenderableType:
    if not found.overlaps:
        return _line("overlap of parts: the data have no parts")
    scope = found.overlaps[0].near_scope
    table = _table(f"overlap of parts; near-duplicates{_of(scope)}", "rows of", "that are in", "exact", "near")
    for one in found.overlaps:
        _add(table, one.part, one.other, f"{one.exact:,}", f"{one.near:,}")
    return table


def _label_errors(found: LabelErrors) -> RenderableType:
    if found.skipped:
        return _line(f"labels worth a look: not looked for, {found.skipped}")
    share = found.rows / found.scope.rows
    title = f"labels worth a look, the least probable first: {found.rows:,} ({share:.1%}){_of(found.scope)}"
    lines: list[RenderableType] = [_suspects(title, found) if found.listed else _line(title)]
    if found.unchecked_labels:
        more = f" and {len(found.unchecked_labels) - SHOWN:,} more" if len(found.unchecked_labels) > SHOWN else ""
        names = ", ".join(found.unchecked_labels[:SHOWN])
        lines.append(Text(escaped(f"too few rows to judge: {names}{more}")))
    return Group(*lines)


def _suspects(title: str, found: LabelErrors) -> Table:
    table = _table(title, "id", "label", "rather", "probability of the label")
    if any(error.row.text is not None for error in found.listed):
        table.add_column("text")
    for error in found.listed[:SHOWN]:
        cells = (error.row.id, error.row.label, error.suggested, f"{error.confidence:.3f}")
        table.add_row(*(Text(escaped(cell)) for cell in cells), *_text(error.row))
    return table


def _drift(found: Drift) -> RenderableType:
    if found.skipped:
        return _line(f"drift of the classes: not measured, {found.skipped}")
    names = list(found.windows[0].shares)[:SHOWN]
    title = f"drift of the classes: shares move by up to {found.shift:.1%}, by chance up to {found.by_chance:.1%}"
    table = _table(title, "from", "rows", *names)
    for window in found.windows:
        cells = (f"{window.shares[name]:.1%}" for name in names)
        _add(table, f"{window.first:%Y-%m-%d %H:%M}", f"{window.rows:,}", *cells)
    _add(table, f"until {found.windows[-1].last:%Y-%m-%d %H:%M}")
    return table
