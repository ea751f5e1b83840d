"""Accuracy by length, script, source and time of the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.evaluation.html.blocks import Section, Table, Text
from trainer.evaluation.html.facts import interval, number

if TYPE_CHECKING:
    from trainer.evaluation.html.facts import Facts

_CAPTIONS: Final = {
    "length": ("By length of the text", "characters"),
    "script": ("By script of most letters", "script"),
    "source": ("By source of the text", "source"),
    "time": ("By time of the text", "days (UTC)"),
}


def slices(facts: Facts) -> Section | None:
    """None without stored slices."""
    if facts.diagnostics is None or not facts.diagnostics.slices:
        return None
    tables = []
    for kind, (caption, column) in _CAPTIONS.items():
        rows = [
            (
                one.name,
                f"{one.rows:,}",
                number(one.right / one.rows),
                interval(one.interval),
                number(one.confidence),
            )
            for one in facts.diagnostics.slices
            if one.property == kind
        ]
        if rows:
            tables.append(Table(caption, (column, "rows", "accuracy", "95 % interval", "mean probability"), rows))
    note = (
        "The intervals are Wilson's. A slice is worse than another only if their intervals hardly overlap; where "
        "the mean probability is far above the accuracy, the model is too sure of itself."
    )
    return Section("slices", "Slices of the test rows", (Text(note), *tables))
