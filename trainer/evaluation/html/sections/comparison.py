"""The model and others on the same test rows, if a comparison was added to the folder."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from trainer.evaluation.html.blocks import Cell, Section, Table, Text
from trainer.evaluation.html.facts import at, listing, mapping, number
from trainer.evaluation.report import words

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def comparison(facts: Facts) -> Section | None:
    """None without a comparison."""
    models = listing(facts.comparison, "models")
    if not models:
        return None
    chosen_by, best = str(at(facts.comparison, "chosen_by")), str(at(facts.comparison, "best"))
    names = list(dict.fromkeys(name for one in models for name in mapping(one, "statistics")))
    rows: list[tuple[Cell, ...]] = [
        (
            str(at(one, "name")),
            *(_estimate(at(one, "statistics", name)) for name in names),
            "-" if at(one, "name") == best else _estimate(at(one, "behind_best", chosen_by), sign="+"),
            _seconds(at(one, "train_s")),
            _rate(at(one, "texts_per_s")),
            _size(at(one, "bytes_on_disk")),
        )
        for one in sorted(models, key=lambda one: -_value(at(one, "statistics", chosen_by)))
    ]
    about = (
        f"{number(at(facts.comparison, 'rows'))} test rows that every model scored; in brackets: 95 % intervals."
    )
    caption = "Models that were trained and tested on the same parts"
    less = f"{words(chosen_by)} less {best}'s"
    columns = ("model", *map(words, names), less, "training", "texts/s", "size")
    return Section("comparison", "Comparison", (Text(about), Table(caption, columns, rows)))


def _value(found: Any) -> float:
    value = at(found, "value")
    return float(value) if isinstance(value, int | float) else -inf


def _estimate(found: Any, *, sign: str = "") -> str:
    value, low, high = (at(found, name) for name in ("value", "low", "high"))
    known = all(isinstance(one, int | float) for one in (value, low, high))
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})" if known else "-"


def _seconds(value: Any) -> str:
    return f"{value:,.0f} s" if isinstance(value, int | float) else "-"


def _rate(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "-"


def _size(value: Any) -> str:
    return f"{value / 1e6:,.1f} MB" if isinstance(value, int | float) else "-"
