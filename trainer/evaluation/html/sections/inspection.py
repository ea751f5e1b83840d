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
        *_plain("Lengths of the texts", at(found, "lengths")),
        *_plain("Rows by script", at(found, "scripts", "rows")),
        *_plain("Texts that occur several times", at(found, "exact")),
        *_plain("Near-duplicates", at(found, "near")),
        *_overlaps(listing(found, "overlaps")),
        *_label_errors(at(found, "label_errors")),
        *_drift(at(found, "drift"), facts.series()),
    ]
    return Section("inspection", "What was found in the data", blocks)


def _plain(caption: str, found: Any) -> list[Block]:
    """The numbers and words of one finding."""
    plain = {name: value for name, value in found.items() if _shown(value)} if isinstance(found, dict) else {}
    rows = [(name.replace("_", " "), number(value)) for name, value in plain.items()]
    return [Table(caption, ("", "value"), rows)] if rows else []


def _shown(value: Any) -> bool:
    return isinstance(value, str | int | float)


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
    caption = f"Labels that are probably wrong: {len(rows)} of {number(at(found, 'rows'))}"
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
