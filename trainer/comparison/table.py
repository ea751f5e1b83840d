"""The result of a comparison: for programs, for a terminal and for a page. It contains no texts of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from shared.errors import InputDataError
from shared.terminal import escaped
from trainer.comparison.bootstrap import STATISTICS, Estimate, estimate, statistics
from trainer.evaluation.markdown import plain, table
from trainer.evaluation.metrics import confusion_matrix, intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.comparison.answers import Answers
    from trainer.data.splits import Splits

CHOSEN_BY: Final = "macro_recall"
"""The statistic that says which model is the best."""
TITLES: Final = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "macro_recall": "macro recall",
    "roc_auc": "ROC-AUC",
    "ece": "ECE",
}
_KB: Final = 1_000


class Row(BaseModel, frozen=True):
    """One model."""

    name: str
    version: str | None
    engine: str
    statistics: dict[str, Estimate | None]
    behind_best: dict[str, Estimate | None]
    """The model's accuracy and macro recall less those of the best, on the same draws of rows."""
    train_s: float | None
    texts_per_s: float
    bytes_on_disk: int | None
    seen: str | None


class Comparison(BaseModel, frozen=True):
    """All models on the same rows; content of comparison.json."""

    source: str
    rows: int
    """Test rows that every model scored."""
    left_out: int
    """Test rows without a score from at least one model."""
    fingerprint: str
    """SHA-256 over texts and labels of all test rows."""
    parts: dict[str, int]
    order: str
    chosen_by: str = CHOSEN_BY
    best: str
    models: list[Row]


def comparison(splits: Splits, answers: Sequence[Answers]) -> Comparison:
    """All statistics, on the rows that every model scored; raises InputDataError if there are none."""
    scored = np.arange(len(splits.test))
    for one in answers:
        scored = np.intersect1d(scored, one.rows)
    if not len(scored):
        raise InputDataError("no test row has a score from every model; compare fewer models, or other data")
    gold, labels = splits.test.labels[scored], len(splits.test.label_names)
    drawn, closed = {}, {}
    for one in answers:
        own = np.isin(one.rows, scored)
        drawn[one.facts.name] = statistics(one.probabilities[own], one.labels[own], gold)
        closed[one.facts.name] = intervals(confusion_matrix(gold, one.labels[own], labels))
    best = max(drawn, key=lambda name: drawn[name][CHOSEN_BY][0])
    return Comparison(
        source=splits.test.source,
        rows=len(scored),
        left_out=len(splits.test) - len(scored),
        fingerprint=splits.test.fingerprint(),
        parts={name: len(getattr(splits, name)) for name in ("train", "validation", "calibration", "test")},
        order=splits.order,
        best=best,
        models=[
            Row(
                **one.facts.model_dump(),
                statistics={
                    name: estimate(drawn[one.facts.name][name], closed[one.facts.name].get(name))
                    for name in STATISTICS
                },
                behind_best={
                    name: estimate(drawn[one.facts.name][name] - drawn[best][name])
                    for name in ("accuracy", CHOSEN_BY)
                },
            )
            for one in answers
        ],
    )


def headings(found: Comparison) -> tuple[str, ...]:
    """The titles of the columns."""
    return (
        "model",
        *TITLES.values(),
        f"macro recall less {found.best}'s",
        "training",
        "texts/s",
        "size",
        "saw test rows",
    )


def lines(found: Comparison) -> list[tuple[str, ...]]:
    """One line of words for each model, the best first."""
    return [
        (
            row.name,
            *(_words(row.statistics[name]) for name in STATISTICS),
            "-" if row.name == found.best else _words(row.behind_best[CHOSEN_BY], sign=True),
            *_cost(row),
        )
        for row in _ranked(found)
    ]


def _cost(row: Row) -> tuple[str, ...]:
    return (
        "-" if row.train_s is None else f"{row.train_s:,.1f} s",
        f"{row.texts_per_s:,.0f}",
        "-" if row.bytes_on_disk is None else f"{row.bytes_on_disk / _KB / _KB:,.1f} MB",
        row.seen or "no",
    )


def _ranked(found: Comparison) -> list[Row]:
    """The best first."""
    return sorted(found.models, key=lambda row: -_value(row.statistics[CHOSEN_BY]))


def terminal_tables(found: Comparison) -> list[Table | str]:
    """Quality, with each interval below its value, and cost; both fit into 80 columns."""
    quality = _table(_title(found), ("", *TITLES.values(), f"less {found.best}"))
    cost = _table("", ("", "training", "texts/s", "size", "saw test rows"))
    for row in _ranked(found):
        behind = None if row.name == found.best else row.behind_best[CHOSEN_BY]
        estimates = [*(row.statistics[name] for name in STATISTICS), behind]
        quality.add_row(*map(Text, (escaped(row.name), *(_short(one) for one in estimates))))
        cost.add_row(*(Text(escaped(cell)) for cell in (row.name, *_cost(row))))
    note = f"Below each figure: its 95 % interval. less {found.best}: macro recall, less that of the best model."
    return [quality, note, cost]


def _table(title: str, titles: tuple[str, ...]) -> Table:
    table = Table(title=Text(escaped(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, heading in enumerate(titles):
        table.add_column(Text(escaped(heading)), justify="right" if number else "left")
    return table


def markdown(found: Comparison) -> str:
    """The lines as a page."""
    heading = headings(found)
    rows = table([plain(cell) for cell in heading], [[plain(cell) for cell in line] for line in lines(found)])
    return f"# {plain(_title(found))}\n\n{rows}\n\n{_notes(found)}\n"


def _title(found: Comparison) -> str:
    return f"{len(found.models)} models on {found.rows:,} test rows of {found.source}"


def _notes(found: Comparison) -> str:
    parts = ", ".join(f"{rows:,} {name}" for name, rows in found.parts.items())
    left_out = (
        f" {found.left_out:,} test rows without a score from every model are left out." if found.left_out else ""
    )
    return (
        f"Parts: {parts}; split: {found.order}.{left_out} In brackets: 95 % intervals, as in model cards; of "
        "ROC-AUC, ECE and differences by a bootstrap of these rows; differences are paired. The best is chosen by "
        "macro recall. Texts a second are those of this machine, in the code that serves, one model after the "
        "other."
    )


def _value(found: Estimate | None) -> float:
    return -np.inf if found is None else found.value


def _words(found: Estimate | None, *, sign: bool = False) -> str:
    if found is None:
        return "-"
    one = "{:+.3f}" if sign else "{:.3f}"
    return f"{one.format(found.value)} ({one.format(found.low)} to {one.format(found.high)})"


def _short(found: Estimate | None) -> str:
    if found is None:
        return "-"
    sign = "+" if found.low < 0 else ""
    value, low, high = (f"{one:{sign}.3f}".replace("0.", ".", 1) for one in (found.value, found.low, found.high))
    return f"{value}\n{low} {high}"
