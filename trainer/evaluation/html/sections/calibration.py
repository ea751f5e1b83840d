"""Reliability diagrams: whether a probability of 0.9 is right in nine of ten cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.html.blocks import Block, Chart, Charts, Section, Table
from trainer.evaluation.html.charts.axis import unit_axis
from trainer.evaluation.html.charts.plot import Plot
from trainer.evaluation.html.facts import MOST_CURVES, number
from trainer.evaluation.report import TEST, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.evaluation.diagnostics.stored import Bin
    from trainer.evaluation.html.facts import Facts
    from trainer.evaluation.metrics import Figures

_NAMES: Final = {
    "ece": "calibration error (ECE)",
    "nll": "log-likelihood (NLL)",
    "brier": "Brier score",
    "class_wise_ece": "ECE by label",
    "ece_by_chance": "expected ECE of exact probabilities, on as many rows",
    "class_wise_ece_by_chance": "the same by label",
}


def calibration(facts: Facts) -> Section | None:
    """None for a model that was not tested when it was made."""
    found = facts.report.evaluations.get(TEST)
    if found is None:
        return None
    before, after = found.uncalibrated.model_dump(), found.calibrated.model_dump()
    rows = [
        (_NAMES.get(name, words(name)), _figure(before[name], found), _figure(value, found))
        for name, value in after.items()
        if value is not None
    ]
    blocks: list[Block] = [Table("Calibration errors; smaller is better", ("figure", "before", "after"), rows)]
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
        blocks.append(Charts(charts))
    return Section("calibration", "Calibration", blocks)


def _figure(value: object, found: Figures) -> str:
    """A number, or one for each label."""
    if isinstance(value, list | tuple):
        return ", ".join(f"{name} {number(one)}" for name, one in zip(found.labels, value, strict=True))
    return number(value)


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
