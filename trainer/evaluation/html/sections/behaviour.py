"""Failures by capability of the behaviour tests, where metrics.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trainer.evaluation.behaviour.results import interval
from trainer.evaluation.behaviour.tables import percent
from trainer.evaluation.html.blocks import Block, Cell, Section, Shaded, Table, Text
from trainer.evaluation.html.facts import at, mapping, number

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts


_ABOUT: Final = (
    "Sentences made from templates. A failure is an answer that contradicts the sentence, or that turns although "
    "only something else changes, such as a name or an identity term. The card has an example of each."
)


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
        blocks.append(Text(_ABOUT))
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
    rows: list[tuple[Cell, ...]] = []
    for name, one in results.items():
        cases, failures = at(one, "cases"), at(one, "failures")
        known = type(cases) is int and type(failures) is int and 0 <= failures <= cases
        shown: tuple[Cell, Cell] = ("-", "-")
        if known and cases:
            low, high = interval(failures, cases)
            shown = (Shaded(percent(failures / cases), failures / cases), f"{percent(low)} to {percent(high)}")
        rows.append((name.replace("_", " "), number(cases), number(failures), *shown))
    return Table(caption, (column, "cases", "failures", "failure rate", "95 % interval"), rows)
