"""Reliability diagrams: whether a probability of 0.9 is right in nine of ten cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Block, Chart, Charts, Section, Table, Text
from trainer.evaluation.html.charts.axis import unit_axis
from trainer.evaluation.html.charts.plot import Plot
from trainer.evaluation.html.facts import MOST_CURVES, number
from trainer.evaluation.report import TEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.evaluation.diagnostics.stored import Bin
    from trainer.evaluation.html.facts import Facts
    from trainer.evaluation.metrics import Figures


def calibration(facts: Facts) -> Section | None:
    """None for a model that was not tested when it was made."""
    found = facts.report.evaluations.get(TEST)
    if found is None:
        return None
    blocks: list[Block] = [*_tables(found)]
    if facts.diagnostics:
        stored = facts.diagnostics
        charts = [
            _diagram("Before calibration", stored.uncalibrated, 1),
            _diagram("After calibration", stored.calibrated, 0),
        ]
        series = facts.series()
        charts += [
            _diagram(f"Probability of {label}", one.reliability, series[label], of=f"the rows are {label}")
            for label, one in list(stored.labels.items())[:MOST_CURVES]
        ]
        about = "By chance: what exact probabilities would have on as many rows. Below that, an ECE says nothing."
        blocks += [Text(about), Charts(charts)]
    return Section("calibration", "Calibration", blocks)


def _tables(found: Figures) -> Iterator[Table]:
    before, after = found.uncalibrated, found.calibrated
    whole = [
        ("calibration error (ECE)", number(before.ece), number(after.ece), number(after.ece_by_chance)),
        ("log loss (NLL), nats", number(before.nll), number(after.nll), ""),
        ("Brier score, 0 to 2", number(before.brier), number(after.brier), ""),
    ]
    errors = zip(before.class_wise_ece, after.class_wise_ece, after.class_wise_ece_by_chance, strict=True)
    by_label = [(name, *map(number, error)) for name, error in zip(found.labels, errors, strict=True)]
    columns = ("before", "after", "by chance")
    yield Table("Calibration; smaller is better", ("figure", *columns), whole)
    yield Table("ECE of the probability of each label", ("label", *columns), by_label)


def _diagram(title: str, bins: Sequence[Bin], series: int, of: str = "the predicted label is right") -> Chart:
    rows = max(1, sum(one.rows for one in bins))
    plot = Plot(unit_axis("mean probability of the bin"), unit_axis("observed share of the rows"))
    middle = [((one.low + one.high) / 2, one.rows / rows) for one in bins]
    plot.columns(middle, width=1 / 15 * 0.9, series=series)
    plot.reference([(0.0, 0.0), (1.0, 1.0)])
    points = [(one.predicted, one.observed) for one in bins]
    plot.line("observed", series, points, marks=True)
    description = f"How often {of}, by probability; dotted: as often as it says. Columns: share of the rows."
    table = Table(
        f"{title}: bins",
        ("probability", "rows", "mean probability", "observed"),
        [
            (f"{one.low:.3f} to {one.high:.3f}", f"{one.rows:,}", number(one.predicted), number(one.observed))
            for one in bins
        ],
    )
    return Chart(title, plot.markup(f"{title}: {description}"), description, table)
