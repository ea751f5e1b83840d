"""What `inspect` found in the data, if its result was added to the folder. Rows are named by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.evaluation.html.blocks import Block, Chart, Charts, Section, Table, Text
from trainer.evaluation.html.charts.axis import axis_for, unit_axis
from trainer.evaluation.html.charts.plot import Plot
from trainer.evaluation.html.facts import MOST_CURVES, at, listing, mapping, number

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts

SHOWN = 25
"""Rows of a list, as in the section of errors."""


def inspection(facts: Facts) -> Section | None:
    """None without a result of `inspect`."""
    found = facts.inspection
    if found is None:
        return None
    blocks: list[Block] = [
        Text(f"Found in {number(at(found, 'data'))} before training: {number(at(found, 'rows'))} rows."),
        *_classes(mapping(found, "classes")),
        *_lengths(mapping(found, "lengths")),
        *_scripts(mapping(found, "scripts")),
        *_repeats("Texts that occur several times", mapping(found, "exact")),
        *_repeats("Near-duplicates", mapping(found, "near")),
        *_overlaps(listing(found, "overlaps")),
        *_label_errors(at(found, "label_errors")),
        *_drift(at(found, "drift"), facts.series()),
    ]
    return Section("inspection", "What was found in the data", blocks)


def _classes(found: dict[str, Any]) -> list[Block]:
    """Rows by label, and the share of each in the parts that the data have."""
    parts, rows = mapping(found, "by_part"), mapping(found, "rows")
    table = [
        (label, number(count), _percent(count, rows), *(_percent(at(one, label), one) for one in parts.values()))
        for label, count in rows.items()
    ]
    return [Table("Rows by label", ("label", "rows", "share", *parts), table)] if table else []


def _lengths(found: dict[str, Any]) -> list[Block]:
    unit, rows = number(at(found, "unit")), at(found, "scope", "rows")
    table = [
        (words, number(found[name]))
        for name, words in (("median", "median"), ("p95", "95 % have at most"), ("p99", "99 % have at most"),
                            ("longest", "longest"), ("window", "read by the base"))
        if found.get(name) is not None
    ]  # fmt: skip
    if at(found, "window") is not None:
        table.append(("rows that are longer", _of(at(found, "over_window"), rows)))
    if unit == "tokens":
        table.append(("rows with unknown tokens", _of(at(found, "with_unknown"), rows)))
    base = f" of {found['base']}" if found.get("base") else ""
    return [Table(f"Lengths in {unit}{base}{_scope(found)}", ("", unit), table)] if table else []


def _scripts(found: dict[str, Any]) -> list[Block]:
    rows = mapping(found, "rows")
    table = [(name, number(count), _percent(count, rows)) for name, count in rows.items()]
    return [Table(f"Rows by script{_scope(found)}", ("script", "rows", "share"), table)] if table else []


def _repeats(caption: str, found: dict[str, Any]) -> list[Block]:
    table = [
        (words, number(found[name]))
        for name, words in (
            ("groups", "texts"),
            ("rows", "rows beyond the first"),
            ("conflicting_groups", "texts with several labels"),
        )
        if found.get(name) is not None
    ]
    return [Table(f"{caption}{_scope(found)}", ("", "number"), table)] if table else []


def _scope(found: dict[str, Any]) -> str:
    """What a check looked at, if that was not all rows."""
    rows, of = at(found, "scope", "rows"), at(found, "scope", "of")
    is_sample = isinstance(rows, int) and isinstance(of, int) and rows < of
    return f", of a random sample of {rows:,} of {of:,} rows" if is_sample else ""


def _percent(count: Any, rows: dict[str, Any]) -> str:
    total = sum(one for one in rows.values() if isinstance(one, int))
    return f"{count / total:.1%}" if isinstance(count, int) and total > 0 else "-"


def _of(count: Any, rows: Any) -> str:
    known = isinstance(count, int) and isinstance(rows, int) and rows > 0
    return f"{count:,} ({count / rows:.1%})" if known else number(count)


def _share(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _overlaps(found: list[Any]) -> list[Block]:
    rows = [
        (f"{at(one, 'part')} in {at(one, 'other')}", number(at(one, "exact")), number(at(one, "near")))
        for one in found
    ]
    return [Table("Rows of one part whose text is in another", ("parts", "exact", "near"), rows)] if rows else []


def _label_errors(found: Any) -> list[Block]:
    rows = [
        (
            str(at(one, "row", "id")),
            str(at(one, "row", "label")),
            str(at(one, "suggested")),
            number(at(one, "confidence")),
        )
        for one in listing(found, "listed")[:SHOWN]
    ]
    if not rows:
        return []
    caption = f"Labels worth a look, the least probable first: {len(rows)} of {number(at(found, 'rows'))}"
    columns = ("row id", "given label", "suggested", "probability of the given")
    return [Table(caption, columns, rows, text_columns=3)]


def _drift(found: Any, series: dict[str, int]) -> list[Block]:
    windows = listing(found, "windows")
    if len(windows) < 2:  # noqa: PLR2004 - a line needs two points
        return []
    plot = Plot(axis_for("window", [1.0, float(len(windows))], whole=True), unit_axis("share of the rows"))
    labels = list(mapping(windows[0], "shares"))[:MOST_CURVES]
    for index, label in enumerate(labels):
        points = [(place + 1.0, _share(at(one, "shares", label))) for place, one in enumerate(windows)]
        plot.line(label, series.get(label, index), points, marks=True)
    rows = [
        (
            str(index + 1),
            f"{str(at(one, 'first'))[:10]} to {str(at(one, 'last'))[:10]}",
            number(at(one, "rows")),
            *(number(at(one, "shares", label)) for label in labels),
        )
        for index, one in enumerate(windows)
    ]
    description = "Share of each label in windows of time, oldest first."
    table = Table("Windows of time", ("window", "days (UTC)", "rows", *labels), rows, text_columns=2)
    return [Charts([Chart("Labels over time", plot.markup(description), description, table)])]
