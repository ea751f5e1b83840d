"""Failures by capability of the behaviour tests, where metrics.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.evaluation.html.blocks import Block, Section, Shaded, Table, Text
from trainer.evaluation.html.facts import at, interval, mapping, number

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


def behaviour(facts: Facts) -> Section | None:
    """None for a model on which the behaviour tests were not run."""
    found = at(facts.metrics, "behaviour")
    if not isinstance(found, dict):
        return None
    blocks: list[Block] = []
    if found.get("skipped"):
        blocks.append(Text(f"Not run: {found['skipped']}."))
    capabilities = mapping(found, "capabilities")
    if capabilities:
        blocks.append(_table("Failures by capability", "capability", capabilities))
        tests = {
            f"{name}: {test}": one
            for name, capability in capabilities.items()
            for test, one in mapping(capability, "tests").items()
        }
        if tests:
            blocks.append(_table("Failures by test", "test", tests))
    return Section("behaviour", "Behaviour and fairness", blocks) if blocks else None


def _table(caption: str, column: str, results: dict[str, Any]) -> Table:
    rows = []
    for name, one in results.items():
        cases, failures, bounds = (at(one, key) for key in ("cases", "failures", "interval"))
        share = failures / cases if isinstance(cases, int) and isinstance(failures, int) and cases else None
        shaded = "-" if share is None else Shaded(f"{share:.1%}", share)
        shown = _bounds(bounds)
        rows.append((name.replace("_", " "), number(cases), number(failures), shaded, shown))
    return Table(caption, (column, "cases", "failures", "failure rate", "95 % interval"), rows)


def _bounds(found: Any) -> str:
    numbers = [one for one in found if isinstance(one, int | float)] if isinstance(found, list) else []
    return interval((numbers[0], numbers[1])) if len(numbers) == 2 else "-"  # noqa: PLR2004 - low and high
