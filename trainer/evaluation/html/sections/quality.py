"""Headline figures, tables and confusion matrix: of the test rows, of later data, and in int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.html.blocks import Block, Section, Shaded, Table, Text, Tile, Tiles
from trainer.evaluation.html.facts import interval, number
from trainer.evaluation.report import TEST, overall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.evaluation.html.facts import Facts
    from trainer.evaluation.metrics import Figures


def summary(facts: Facts) -> Section:
    """Always there."""
    found = facts.report.evaluations.get(TEST)
    if found is None:
        text = (
            "This model was not tested here. Measure it with `sentiment-trainer evaluate`; the figures are added."
        )
        return Section("summary", "Summary", (Text(text),))
    note = (
        f"On {found.rows:,} test rows that the model never saw. The intervals show the uncertainty from the "
        "choice of test rows; texts of other sources, topics, languages or years can give worse results."
    )
    return Section("summary", "Summary", (Tiles(_tiles(found)), Text(note)))


def _tiles(found: Figures) -> list[Tile]:
    tiles = [
        Tile(name, number(value), f"95 %: {interval(found.intervals[key])}" if key in found.intervals else "")
        for name, key, value in (
            ("Accuracy", "accuracy", found.accuracy),
            ("Macro recall", "macro_recall", found.macro_recall),
            ("Macro F1", "macro_f1", found.macro_f1),
        )
    ]
    before, after = found.uncalibrated, found.calibrated
    return [
        *tiles,
        Tile("ROC-AUC", number(found.roc_auc), "mean over the labels"),
        Tile("Calibration error", number(after.ece), _ece_note(found)),
        Tile("Log-likelihood", number(after.nll), f"NLL; {before.nll:.3f} before calibration"),
    ]


def _ece_note(found: Figures) -> str:
    before, by_chance = found.uncalibrated.ece, found.calibrated.ece_by_chance
    return f"ECE; {by_chance:.3f} by chance, {before:.3f} before calibration"


def quality(facts: Facts) -> Section | None:
    """None for a model that was not tested when it was made."""
    found = facts.report.evaluations.get(TEST)
    return Section("quality", "Quality on the test rows", tables(found)) if found else None


def later(facts: Facts) -> Section | None:
    """The data that `evaluate` scored; None if there are none."""
    blocks: list[Block] = []
    for one in facts.report.later:
        about = (
            f"{one.name}: {one.figures.rows:,} rows, SHA-256 {one.sha256[:12]}, scored by {one.engine}. The "
            "training did not hold these rows out."
        )
        blocks += [Text(about), *tables(one.figures)]
    return Section("later", "Measured later", blocks) if blocks else None


def int8(facts: Facts) -> Section | None:
    """The quantised graph against the fp32 one; None without it."""
    found = facts.manifest.int8
    if found is None:
        return None
    about = (
        f"The folder holds the same model in int8, for CPUs. On {found.rows:,} held-out rows it agrees with fp32 "
        f"on {found.agreement:.2%} of the labels; {found.calibration_rows:,} training rows set its ranges."
    )
    rows = [
        ("macro recall", number(found.macro_recall), number(found.macro_recall_fp32)),
        ("calibration error (ECE)", number(found.ece), number(found.ece_fp32)),
    ]
    return Section("int8", "In int8", (Text(about), Table("int8 and fp32", ("figure", "int8", "fp32"), rows)))


def tables(found: Figures) -> Sequence[Block]:
    """The three tables of some rows."""
    labels = [
        (name, number(one.precision), number(one.recall), number(one.f1), number(one.roc_auc), f"{one.rows:,}")
        for name, one in found.labels.items()
    ]
    return (
        Table("All rows", ("figure", "value", "95 % interval"), overall(found)),
        Table("By label", ("label", "precision", "recall", "F1", "ROC-AUC", "rows"), labels),
        _confusion(found),
    )


def _confusion(found: Figures) -> Table:
    rows: list[tuple[str | Shaded, ...]] = []
    for name, counts in zip(found.labels, found.confusion, strict=True):
        total = max(1, sum(counts))
        rows.append((name, *(Shaded(f"{count:,}", count / total) for count in counts), f"{sum(counts):,}"))
    caption = "Confusion matrix: rows are the true labels, columns the predicted ones; shaded by share of the row"
    return Table(caption, ("true label", *found.labels, "all"), rows)
