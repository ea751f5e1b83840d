"""The model beside baselines on the same test rows, where metrics.json has such a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.evaluation.html.blocks import Section, Table
from trainer.evaluation.html.facts import at, number
from trainer.evaluation.report import words

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def comparison(facts: Facts) -> Section | None:
    """None without a comparison."""
    rows = _rows(at(facts.metrics, "comparison"))
    if not rows:
        return None
    columns = list(dict.fromkeys(name for _, figures in rows for name in figures))
    cells = [(model, *(number(figures.get(name)) for name in columns)) for model, figures in rows]
    caption = "Models that were trained and tested on the same rows"
    return Section("comparison", "Comparison", (Table(caption, ("model", *map(words, columns)), cells),))


def _rows(found: Any) -> list[tuple[str, dict[str, Any]]]:
    """Name and plain figures of each model, from a list of models or a mapping by name."""
    if isinstance(found, dict):
        found = found.get("models", found)
    if isinstance(found, dict):
        found = [{"name": name, **one} for name, one in found.items() if isinstance(one, dict)]
    models = [one for one in found if isinstance(one, dict) and "name" in one] if isinstance(found, list) else []
    return [(str(one["name"]), _figures(one)) for one in models]


def _figures(model: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a model, also those one level deeper."""
    flat = {}
    for name, value in model.items():
        for key, one in value.items() if isinstance(value, dict) else [(name, value)]:
            if isinstance(one, int | float) and not isinstance(one, bool):
                flat[str(key)] = one
    return flat
