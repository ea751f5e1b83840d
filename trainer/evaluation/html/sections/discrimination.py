"""ROC and precision-recall curves of each label against the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Chart, Charts, Section, Table, Text
from trainer.evaluation.html.charts.axis import unit_axis
from trainer.evaluation.html.charts.plot import Plot
from trainer.evaluation.html.facts import MOST_CURVES, number
from trainer.evaluation.report import TEST

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def discrimination(facts: Facts) -> Section | None:
    """None without stored curves."""
    if facts.diagnostics is None:
        return None
    labels, series = facts.diagnostics.labels, facts.series()
    figures = facts.report.evaluations.get(TEST)
    roc = Plot(unit_axis("false positive rate"), unit_axis("true positive rate"))
    recalls = Plot(unit_axis("recall"), unit_axis("precision"))
    roc.reference([(0.0, 0.0), (1.0, 1.0)])
    shown = [name for name, one in labels.items() if one.roc][:MOST_CURVES]
    for name in shown:
        roc.line(name, series[name], labels[name].roc)
        recalls.line(name, series[name], labels[name].precision_recall)
    rows = [
        (
            name,
            number(figures.labels[name].roc_auc if figures and name in figures.labels else None),
            number(one.average_precision),
            f"{one.rows / max(1, facts.diagnostics.rows):.3f}",
        )
        for name, one in labels.items()
    ]
    about_roc = "True against false positives for each label against the others; dotted: chance."
    about_recalls = "Precision against recall for each label; chance is the label's share of the rows."
    note = f"The charts show {len(shown)} of {len(labels)} labels." if len(shown) < len(labels) else ""
    table = Table("Areas by label", ("label", "ROC-AUC", "average precision", "share of the rows"), rows)
    charts = Charts(
        [
            Chart("ROC", roc.markup(f"ROC: {about_roc}"), about_roc),
            Chart("Precision and recall", recalls.markup(f"Precision and recall: {about_recalls}"), about_recalls),
        ]
    )
    return Section("roc", "ROC and precision-recall", (charts, table, *([Text(note)] if note else [])))
