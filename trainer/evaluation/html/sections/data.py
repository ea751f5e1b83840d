"""The rows: parts, classes, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Block, Chart, Charts, Section, Table, Text
from trainer.evaluation.html.charts.plot import bar_chart
from trainer.evaluation.html.facts import MOST_CURVES

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def data(facts: Facts) -> Section | None:
    """None for an adopted model without data."""
    training, adoption = facts.report.training, facts.report.adoption
    course = training or adoption
    if course is None:
        return None
    blocks: list[Block] = [Text(_about(facts))]
    rows = [(part, f"{rows:,}") for part, rows in course.rows.items()]
    blocks.append(Table("Rows by part", ("part", "rows"), rows))
    left_out = [(reason, f"{rows:,}") for reason, rows in course.left_out.items() if rows]
    if left_out:
        blocks.append(Table("Rows that were left out, by reason", ("reason", "rows"), left_out))
    else:
        blocks.append(Text("No row was left out."))
    if facts.manifest.class_priors:
        blocks.append(Charts([_classes(facts.manifest.class_priors)]))
    return Section("data", "Data", blocks)


def _about(facts: Facts) -> str:
    source = facts.manifest.data or facts.manifest.calibration
    words = f"Source: {source.source}, SHA-256 {source.fingerprint[:12]}. " if source else ""
    if facts.report.training is None:
        return f"{words}The training data of this model are not known; these rows calibrated and tested it."
    by_time = facts.report.training.order == "time"
    order = "by time, the newest rows for the test" if by_time else "at random, with equal shares of the labels"
    return f"{words}Split {order}; near-duplicates are in one part."


def _classes(priors: dict[str, float]) -> Chart:
    bars = [(label, share, f"{share:.1%}") for label, share in priors.items()]
    description = "Share of each label in the training rows."
    table = Table(description, ("label", "share"), [(label, shown) for label, _, shown in bars])
    if len(bars) > MOST_CURVES:
        description = f"Share of the {MOST_CURVES} most frequent of {len(bars):,} labels in the training rows."
        bars = sorted(bars, key=lambda one: -one[1])[:MOST_CURVES]
    svg = bar_chart(bars, label="share of the training rows", description=description)
    return Chart("Labels", svg, description, table)
