"""What was read of the data, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from shared.terminal import escaped

if TYPE_CHECKING:
    from trainer.data.examples import Examples


def data_table(examples: Examples, name: str) -> Table:
    """Rows by label, and rows that were left out by reason; together they are all rows of the data."""
    report = examples.report
    tool = f", an export of {report.tool}" if report.tool else ""
    title = f"{name}: {report.rows:,} rows{tool}"
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("used, by label")
    table.add_column(f"{len(examples):,}", justify="right")
    for label, rows in examples.counts().items():
        table.add_row(Text(escaped(label)), f"{rows:,}")
    left_out = sum(report.left_out.values())
    table.add_row(Text("left out", style="bold"), Text(f"{left_out:,}", style="bold"))
    for reason, rows in sorted(report.left_out.items(), key=lambda one: -one[1]):
        table.add_row(Text(escaped(reason)), f"{rows:,}")
    return table
